"""Reports: a document of findings, figures drawn from it, and a page that holds them."""

from pushforward.report.findings import findings
from pushforward.report.page import page, write_page

__all__ = ["findings", "page", "write_page"]

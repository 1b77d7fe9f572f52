"""Reports: a document of findings, figures drawn from it, and a page that holds them."""

from pushforward.report.document import findings
from pushforward.report.html import page, write_page

__all__ = ["findings", "page", "write_page"]

// All that is compiled once per instruction set, within a namespace of its own. QUADS says how many
// vectors of lanes a product holds in registers.
#include "functions.h"
#include "maps.h"
#include "layer.h"

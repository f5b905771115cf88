#include "COffscreen.h"

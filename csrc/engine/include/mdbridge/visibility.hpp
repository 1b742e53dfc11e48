#pragma once

/// The engine is one shared library with hidden visibility; what hosts may use is marked with this.
#define MDBRIDGE_API __attribute__((visibility("default")))

#pragma once

/// Let the engine open models of names such as "python:package.module:factory": calculators and
/// functions that md_bridge.calculators.opening finds.
void register_python_models();

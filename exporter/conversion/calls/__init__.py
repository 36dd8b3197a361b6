"""Calls of operators: which overload, which arguments, which views and writes."""

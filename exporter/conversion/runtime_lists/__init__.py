"""Lists whose length is only known at run time."""

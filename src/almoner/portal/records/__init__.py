"""Records of the program's own data types: lists by type, and the form of one."""

"""Reading of HDF5 files that anybody may have made."""

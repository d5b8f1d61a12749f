"""An atlas for other programs: statismo and scalismo, SlicerMorph, tables, arrays."""

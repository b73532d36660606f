-- Environment module of findna, for Lmod; `make install` puts prefix and version in.
-- A site adds the modules of its MPI and HDF5 (depends_on ...) where those are not on the loader's path.
help([[findna @VERSION@ pretrains self-supervised DNA models with MPI ranks, and uses them. See: findna --help, man findna]])
whatis("Name: findna")
whatis("Version: @VERSION@")
whatis("Description: self-supervised DNA models with MPI")
conflict("findna")
prepend_path("PATH", "@PREFIX@/bin")

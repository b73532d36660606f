-- Modulefile of findna for Lmod; `make install` fills in prefix and version.
-- If MPI and HDF5 are not on the loader's path, add the site's modules for them (depends_on ...).
help([[findna @VERSION@ pretrains self-supervised DNA models with MPI ranks, and uses them. See: findna --help, man findna]])
whatis("Name: findna")
whatis("Version: @VERSION@")
whatis("Description: self-supervised DNA models with MPI")
conflict("findna")
prepend_path("PATH", "@PREFIX@/bin")

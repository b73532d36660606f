# Spack recipe (untested); `make dist` fills in version, URL and SHA-256. docs/install.md says how to use it.
from spack.package import *


class Findna(MakefilePackage, CudaPackage):
    """Pretrains self-supervised DNA models with MPI ranks, on CPUs or one rank per GPU, and then uses them."""

    version("@VERSION@", sha256="@SHA256@", url="@URL@/findna-@VERSION@.tar.gz")
    license("Apache-2.0")

    depends_on("c", type="build")
    depends_on("cxx", type="build", when="+cuda")
    depends_on("gmake", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi")
    depends_on("hdf5@1.10:1.14")
    depends_on("libyaml")
    depends_on("zlib-api")
    depends_on("xz")
    depends_on("jansson")
    depends_on("openssl")
    depends_on("openblas", type="run")  # loaded at run time, by name
    depends_on("cuda@12:", when="+cuda")
    conflicts("%gcc@:10")
    conflicts("%clang@:12")

    def arguments(self, spec, prefix):
        return [f"PREFIX={prefix}", f"MPICC={spec['mpi'].mpicc}", "CC=cc", "CXX=c++", f"CUDA={1 if '+cuda' in spec else 0}"]

    def setup_build_environment(self, env):
        for variable, name in (
            ("HDF5_ROOT", "hdf5"),
            ("LIBYAML_ROOT", "libyaml"),
            ("ZLIB_ROOT", "zlib-api"),
            ("XZ_ROOT", "xz"),
            ("JANSSON_ROOT", "jansson"),
            ("OPENSSL_ROOT", "openssl"),
        ):
            env.set(variable, self.spec[name].prefix)

    def setup_run_environment(self, env):
        env.set("FINDNA_BLAS", self.spec["openblas"].libs[0])

    def build(self, spec, prefix):
        make(*self.arguments(spec, prefix))

    def install(self, spec, prefix):
        make("install", *self.arguments(spec, prefix))

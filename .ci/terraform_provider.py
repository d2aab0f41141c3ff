"""A stand-in for Terraform's google provider, for a machine that cannot reach the registry of providers.

It serves the provider's schema over Terraform's plugin protocol, so that `terraform validate` and `terraform plan` judge
every block, attribute, type and reference without Google. The schema is read out of the npm package
@cdktf/provider-google, which is generated from the provider of the version that it names. Nothing is created anywhere:
a plan says what it was told, and what only Google knows stays unknown.

usage: terraform_provider.py PACKAGE.tgz FOLDER_OF_TF_FILES FILE_FOR_THE_ENVIRONMENT
"""

import json
import os
import re
import sys
import tarfile
import tempfile
from concurrent import futures
from pathlib import Path

import grpc
import msgpack
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc

SIMPLE = {"string": '"string"', "number": '"number"', "boolean": '"bool"'}
# How the package writes one argument or block of a body.
ENTRY = re.compile(
    r"^ +(\w+): \{\n +value: (.+),\n +isBlock: (true|false),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\",",
    re.M,
)
# How it marks what only the provider sets.
ANSWER = re.compile(r"^ +// (\w+) - computed: true, optional: false, required: false", re.M)
# What an argument that is left out becomes where a provider fills it in.
FILLED_IN = {"id", "project", "region", "location"}
UNKNOWN = msgpack.ExtType(0, b"\x00")


def type_of(kind, storage):
    """An attribute's type as the protocol writes it, in JSON."""
    if kind == "simple":
        return SIMPLE[storage]
    element = SIMPLE[re.sub(r"(Map|List)$", "", storage)]
    return f'["{kind}",{element}]'


class Module:
    """One resource's, data source's or the provider's pair of files in the package."""

    def __init__(self, source, types):
        interfaces = re.findall(r"^export interface (\w+) [^{]*\{\n(.*?)^\}", types, re.M | re.S)
        # A name there is written without underscores, and one that must be given without a question mark.
        self.required = {
            name: {field.lower() for field in re.findall(r"^    readonly (\w+):", body, re.M)} for name, body in interfaces
        }
        self.bodies = dict(re.findall(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", source, re.M | re.S))
        # The last class is the thing itself; those before it are its blocks.
        self.name, self.main = re.split(r"^class (\w+) extends .*$", source, flags=re.M)[-2:]

    def schema(self):
        body = self.main.split("synthesizeHclAttributes() {", 1)[1]
        block = self.block(body, f"{self.name}Config")
        known = {attribute.name for attribute in block.attributes}
        for name in set(ANSWER.findall(self.main)) - known:
            block.attributes.append(pb.Schema.Attribute(name=name, type=self.answer(name), computed=True))
        return pb.Schema(version=0, block=block)

    def block(self, body, interface):
        block = pb.Schema.Block(version=0)
        for name, value, is_block, kind, storage in ENTRY.findall(body):
            required = name.replace("_", "") in self.required.get(interface, ())
            if is_block == "false":
                block.attributes.append(
                    pb.Schema.Attribute(
                        name=name,
                        type=type_of(kind, storage).encode(),
                        required=required,
                        optional=not required,
                        computed=not required and name in FILLED_IN,
                    )
                )
                continue
            inner = re.search(r"(\w+)ToHclTerraform", value).group(1)
            single = "listMapperHcl" not in value
            block.block_types.append(
                pb.Schema.NestedBlock(
                    type_name=name,
                    block=self.block(self.bodies[inner], inner[0].upper() + inner[1:]),
                    nesting=self.nesting(kind, storage),
                    min_items=1 if required else 0,
                    max_items=1 if single and storage.endswith("List") else 0,
                )
            )
        return block

    @staticmethod
    def nesting(kind, storage):
        if not storage.endswith("List"):
            return pb.Schema.NestedBlock.SINGLE
        return pb.Schema.NestedBlock.SET if kind == "set" else pb.Schema.NestedBlock.LIST

    def answer(self, name):
        if f"getNumberAttribute('{name}')" in self.main:
            return b'"number"'
        if f"getBooleanAttribute('{name}')" in self.main:
            return b'"bool"'
        if f"getListAttribute('{name}')" in self.main:
            return b'["list","string"]'
        if re.search(rf'StringMap\(this, "{name}"\)', self.main):
            return b'["map","string"]'
        # Lists of objects are among the rest, to which no configuration here refers.
        return b'"string"'


def schemas(package, folder):
    """The schemas of what the folder's files use, by kind and type."""
    text = "".join(path.read_text() for path in Path(folder).rglob("*.tf"))
    used = set(re.findall(r'^(resource|data) "google_(\w+)"', text, re.M))
    folders = {f"{'data-google-' if kind == 'data' else ''}{name.replace('_', '-')}": (kind, name) for kind, name in used}
    folders["provider"] = ("provider", "")
    texts = {}
    with tarfile.open(package) as archive:
        for member in archive:
            place = re.fullmatch(r"package/lib/([\w-]+)/(index\.js|index\.d\.ts)", member.name)
            if place and place.group(1) in folders:
                texts[place.groups()] = archive.extractfile(member).read().decode()
    found = {
        known: Module(texts[name, "index.js"], texts[name, "index.d.ts"]).schema()
        for name, known in folders.items()
        if (name, "index.js") in texts
    }
    for kind, name in used - set(found):
        print(f"there is no {kind} google_{name} in the provider", file=sys.stderr)
        sys.exit(1)
    provider = found.pop(("provider", ""))
    of = lambda wanted: {f"google_{name}": schema for (kind, name), schema in found.items() if kind == wanted}
    return provider, of("resource"), of("data")


class Provider(tfplugin_pb2_grpc.ProviderServicer):
    def __init__(self, provider, resources, data):
        self.provider, self.resources, self.data = provider, resources, data

    def GetProviderSchema(self, request, context):
        return pb.GetProviderSchema.Response(
            provider=self.provider, resource_schemas=self.resources, data_source_schemas=self.data
        )

    def ValidateProviderConfig(self, request, context):
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request, context):
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request, context):
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request, context):
        return pb.ConfigureProvider.Response()

    def PlanResourceChange(self, request, context):
        planned = self.filled(self.resources[request.type_name], request.proposed_new_state, UNKNOWN)
        return pb.PlanResourceChange.Response(planned_state=planned)

    def ReadDataSource(self, request, context):
        # Numbers are text here too, as Google's own answers have them.
        return pb.ReadDataSource.Response(state=self.filled(self.data[request.type_name], request.config, "1"))

    def StopProvider(self, request, context):
        return pb.StopProvider.Response()

    @staticmethod
    def filled(schema, state, value):
        fields = msgpack.unpackb(state.msgpack, strict_map_key=False)
        for attribute in schema.block.attributes if fields is not None else []:
            if attribute.computed and fields.get(attribute.name) is None:
                if value is UNKNOWN or attribute.type == b'"string"':
                    fields[attribute.name] = value
        return pb.DynamicValue(msgpack=msgpack.packb(fields))


class Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):
    def Shutdown(self, request, context):
        return grpc_controller_pb2.Empty()


def main(package, folder, environment):
    whole = schemas(package, folder)
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
    tfplugin_pb2_grpc.add_ProviderServicer_to_server(Provider(*whole), server)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(Controller(), server)
    with tempfile.TemporaryDirectory() as place:
        server.add_insecure_port(f"unix://{place}/socket")
        server.start()
        # So Terraform is told of a provider that runs already.
        address = {"Network": "unix", "String": f"{place}/socket"}
        reattach = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
        waiting = Path(f"{environment}.part")
        waiting.write_text(json.dumps({"registry.terraform.io/hashicorp/google": reattach}))
        waiting.rename(environment)
        server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])

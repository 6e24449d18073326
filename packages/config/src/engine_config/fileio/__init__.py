"""Files, folders and formats behind one interface, wherever they are stored."""

from engine_config.fileio.backend import BaseStorageBackend
from engine_config.fileio.client import FileClient
from engine_config.fileio.codecs import dump, load
from engine_config.fileio.files import (
    copy_if_symlink_fails,
    copyfile,
    copyfile_from_local,
    copyfile_to_local,
    copytree,
    copytree_from_local,
    copytree_to_local,
    exists,
    generate_presigned_url,
    get,
    get_local_path,
    get_text,
    isdir,
    isfile,
    join_path,
    list_dir_or_file,
    put,
    put_text,
    remove,
    rmtree,
)
from engine_config.fileio.handlers import (
    BaseFileHandler,
    JsonHandler,
    PickleHandler,
    TomlHandler,
    YamlHandler,
    file_handlers,
    register_handler,
)
from engine_config.fileio.http import HTTPBackend
from engine_config.fileio.lists import dict_from_file, list_from_file
from engine_config.fileio.lmdb import LmdbBackend
from engine_config.fileio.local import HardDiskBackend, LocalBackend
from engine_config.fileio.memcached import MemcachedBackend
from engine_config.fileio.pickles import UnsafePickleError
from engine_config.fileio.registry import (
    backends,
    get_file_backend,
    prefix_to_backends,
    register_backend,
)
from engine_config.fileio.remote import FsspecBackend, PetrelBackend

__all__ = [
    "BaseFileHandler",
    "BaseStorageBackend",
    "FileClient",
    "FsspecBackend",
    "HTTPBackend",
    "HardDiskBackend",
    "JsonHandler",
    "LmdbBackend",
    "LocalBackend",
    "MemcachedBackend",
    "PetrelBackend",
    "PickleHandler",
    "TomlHandler",
    "UnsafePickleError",
    "YamlHandler",
    "backends",
    "copy_if_symlink_fails",
    "copyfile",
    "copyfile_from_local",
    "copyfile_to_local",
    "copytree",
    "copytree_from_local",
    "copytree_to_local",
    "dict_from_file",
    "dump",
    "exists",
    "file_handlers",
    "generate_presigned_url",
    "get",
    "get_file_backend",
    "get_local_path",
    "get_text",
    "isdir",
    "isfile",
    "join_path",
    "list_dir_or_file",
    "list_from_file",
    "load",
    "prefix_to_backends",
    "put",
    "put_text",
    "register_backend",
    "register_handler",
    "remove",
    "rmtree",
]

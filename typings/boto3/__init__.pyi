# SPDX-License-Identifier: MIT
# The slice of boto3 that a `TokenStore` needs. (`boto3.client` makes the class of its client as it runs.)

from datetime import datetime
from typing import Literal, Protocol, TypedDict

class Body(Protocol):
    def read(self) -> bytes: ...

class ResponseMetadata(TypedDict):
    HTTPHeaders: dict[str, str]

class GetObjectOutput(TypedDict):
    Body: Body
    ETag: str
    LastModified: datetime
    ResponseMetadata: ResponseMetadata

class S3Client:
    def create_bucket(self, *, Bucket: str) -> object: ...
    def get_object(self, *, Bucket: str, Key: str) -> GetObjectOutput: ...
    def put_object(
        self, *, Bucket: str, Key: str, Body: bytes, IfMatch: str = ..., IfNoneMatch: str = ...
    ) -> object: ...
    def delete_object(self, *, Bucket: str, Key: str) -> object: ...

def client(service_name: Literal["s3"]) -> S3Client: ...

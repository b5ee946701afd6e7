# SPDX-License-Identifier: MIT
# The slice of botocore that tells what S3 refused.

from typing import TypedDict

class ErrorDetail(TypedDict):
    Code: str

class ErrorResponse(TypedDict):
    Error: ErrorDetail

class ClientError(Exception):
    response: ErrorResponse

"""The services of AWS over HTTP: credentials, signatures, and calls of JSON APIs.

It needs the standard library and a transport, and no package of AWS. `dynamodb` and `aws_lambda` use it.
"""

from .api import AwsApi as AwsApi
from .api import AwsError as AwsError
from .credentials import Credentials as Credentials
from .credentials import CredentialsChain as CredentialsChain
from .endpoints import endpoint as endpoint
from .endpoints import region as region

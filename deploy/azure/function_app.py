"""The function: every path and method of the function app is answered by the app."""

from pathlib import Path

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from penstock_adapters.azure_functions import AppResponse, create_app

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
penstock = create_app(Path(__file__).parent)


@app.function_name("penstock")
@app.route("{*path}", methods=["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
async def answer(req: Request) -> Response:
    return AppResponse(penstock)

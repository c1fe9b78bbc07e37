"""The function: every path of the service is answered by the app."""

import functions_framework.aio

from penstock_adapters.google_functions import create_app

app = create_app()


@functions_framework.aio.http
async def main(request):
    return app

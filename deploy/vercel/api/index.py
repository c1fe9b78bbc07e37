"""The function: every path of the project is answered by the app."""

from penstock_adapters.vercel import create_app

app = create_app()

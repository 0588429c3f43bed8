"""The page in both languages as one application, which tells the browser to ask nobody else."""

import contextlib
import threading

import fastapi
import gradio as gr
from fastapi.responses import RedirectResponse

from demo import shared, tabs
from demo.asking import ASKER
from demo.words import language_of

LARGEST = 10 * 2**20          # bytes of an upload
# Whatever a library's page names, the browser loads nothing from elsewhere.
POLICY = ("default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
          "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'")
HEADERS = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]


class WithPolicy:
    """The application with HEADERS in every answer."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def with_headers(message):
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        await self.app(scope, receive, with_headers)


def application(warm=True):
    """The application: / leads to /zh/ or /en/ by what the browser prefers.

    Args:
        warm: load all models at once, in the background, so that no visitor waits for one.
    """
    @contextlib.asynccontextmanager
    async def lifespan(_):
        if warm:
            ASKER.start()         # first: while TensorFlow is imported, standard error is elsewhere
            for work in (shared.load_all, ASKER.warm_up):
                threading.Thread(target=work, daemon=True).start()
        yield
        ASKER.close()

    app = fastapi.FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    def by_language(request: fastapi.Request):
        return RedirectResponse(f"/{language_of(request.headers.get('accept-language'))}/")

    for language in ("zh", "en"):
        page = tabs.build(language)
        page.has_launched = True      # else gradio takes any path of this machine for an upload
        gr.mount_gradio_app(app, page, f"/{language}", max_file_size=LARGEST, ssr_mode=False,
                            footer_links=[], run_history=False, show_error=False, mcp_server=False,
                            **tabs.LOOK)
    return WithPolicy(app)

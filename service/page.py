"""The page at / and its files; the API's documentation at /docs. Nothing comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
# Swagger UI starts with an inline script and styles its elements inline.
DOCS_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def add_page(app: FastAPI) -> None:
    """Serve the page, its static files and, where Swagger UI is installed, /docs."""
    api = APIRouter(include_in_schema=False)

    @api.get("/")
    async def page() -> Response:
        headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}
        return FileResponse(STATIC / "index.html", headers=headers)

    swagger = _swagger_files()
    if swagger is not None:

        @api.get("/docs")
        async def docs() -> HTMLResponse:
            response = get_swagger_ui_html(
                openapi_url="openapi.json",
                title=f"{app.title} · API",
                swagger_js_url="docs/static/swagger-ui-bundle.js",
                swagger_css_url="docs/static/swagger-ui.css",
                swagger_favicon_url="static/icon.svg",
            )
            response.headers["Content-Security-Policy"] = DOCS_POLICY
            return response

        app.mount("/docs/static", StaticFiles(directory=swagger), name="docs-static")
    app.include_router(api)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _swagger_files() -> Path | None:
    """Swagger UI as the fastapi-offline package ships it, so that /docs needs no network."""
    try:
        import fastapi_offline
    except ImportError:
        return None
    return Path(fastapi_offline.__file__).parent / "static"

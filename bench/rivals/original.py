"""The original service, as its handler was: aiohttp and the zip program.

python3 original.py PORT FOLDER [ZIP-OPTION…]
"""

import asyncio
import os
import sys

from aiohttp import web

CHUNK_BYTES = 100 * 1024


async def archive(request):
    folder = os.path.join(sys.argv[2], request.match_info["hash"])
    process = await asyncio.create_subprocess_exec(
        "zip", *sys.argv[3:], "-r", "-q", "-", ".",
        cwd=folder, stdout=asyncio.subprocess.PIPE,
    )
    response = web.StreamResponse()
    response.headers["Content-Disposition"] = 'attachment; filename="archive.zip"'
    await response.prepare(request)
    try:
        while chunk := await process.stdout.read(CHUNK_BYTES):
            await response.write(chunk)
    finally:
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                pass
        await process.communicate()
    return response


application = web.Application()
application.add_routes([web.get("/archive/{hash}/", archive)])
web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None)

# docker build -t zipferry .
# docker run --detach --publish 8080:8080 --volume /srv/photos:/photos:ro zipferry
#
# Variables (--env) and flags (after the name of the image) are those of the program. How to run it
# hardened, behind nginx, with replicas: docs/containers.md.
FROM docker.io/denoland/deno:2.9.6 AS build

WORKDIR /app

# Dependencies in a layer of their own, which lasts until one of them changes. They are checked
# against the hashes in deno.lock.
COPY deno.json deno.lock ./
COPY zip/deno.json zip/
ARG DENO_TLS_CA_STORE=mozilla
RUN DENO_TLS_CA_STORE=$DENO_TLS_CA_STORE deno install

# From here on nothing is fetched: a dependency that is missing above ends the build. What is
# compiled now need not be at each start.
COPY . .
RUN deno run --cached-only --quiet --no-prompt -P=serve main.ts --version \
  && find storage -name '*.ts' -exec deno cache {} + \
  && echo PHOTOS_DIR=/photos > .env

FROM docker.io/denoland/deno:2.9.6 AS system

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# zip is for --engine zip. It marks names as UTF-8 only where the system has the locale en_US.UTF-8.
# busybox is the shell: for the start, the health check, the jobs of deploy/kubernetes, and for people
# who look around.
# Debian's archive keeps no old versions, so none is named here.
# hadolint ignore=DL3008
RUN export DEBIAN_FRONTEND=noninteractive \
  && apt-get update \
  && apt-get install --yes --no-install-recommends busybox locales zip \
  && rm -rf /var/lib/apt/lists/*

# /image becomes the root folder: these programs, the libraries that they ask for, and the names of
# the packages of Debian that all of it is from, where scanners look for them.
RUN mkdir -p /image/{bin,data,etc,photos,tmp,usr/lib/locale,var/lib/dpkg/status.d} \
  && chown 1993:1993 /image/data \
  && chmod 1777 /image/tmp \
  && localedef --no-archive --inputfile=en_US --charmap=UTF-8 /image/usr/lib/locale/en_US.utf8 \
  && cp /etc/os-release /image/etc \
  && echo 'hosts: files dns' > /image/etc/nsswitch.conf \
  && printf '%s\n' root:x:0:0::/:/bin/sh zipferry:x:1993:1993::/:/bin/sh > /image/etc/passwd \
  && printf '%s\n' root:x:0: zipferry:x:1993: > /image/etc/group \
  && mapfile -t programs < <(type -P busybox deno zip) \
  && cp "${programs[@]}" /image/bin \
  && busybox --list | while read -r name; do \
      [ -e "/image/bin/$name" ] || ln -s busybox "/image/bin/$name"; \
    done \
  && ldd "${programs[@]}" \
    | awk '$2 == "=>" { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' \
    | sort -u > /libraries \
  && xargs cp --dereference --parents --target-directory=/image < /libraries \
  && (printf '%s\n' busybox locale-gen zip && sed 's/.*\///' /libraries) \
    | while read -r name; do dpkg-query --search "*/$name"; done \
    | sed '/^diversion /d; s/[:,].*//' | sort -u \
    | while read -r package; do \
      dpkg-query --status "$package" > "/image/var/lib/dpkg/status.d/$package"; \
      notice=/usr/share/doc/$package/copyright; \
      [ ! -e "$notice" ] || cp --dereference --parents "$notice" /image; \
    done

FROM scratch

COPY --from=system /image /
COPY --from=build /deno-dir/npm /deno-dir/npm
COPY --from=build /deno-dir/gen /deno-dir/gen
COPY --from=build /app /app

WORKDIR /app

# The photos are named in /app/.env, which counts less than a variable or the .env of another
# working directory.
ENV HOST=0.0.0.0 \
  PORT=8080 \
  PATH=/bin \
  DENO_DIR=/deno-dir/ \
  DENO_NO_UPDATE_CHECK=1 \
  NO_COLOR=1

# By its number, so that Kubernetes can tell that it is not root.
USER 1993:1993
EXPOSE 8080
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
  CMD ["/app/deploy/image/is-healthy"]

# The flags of `deno task start`, and leave to write into /data: a volume there may keep the file of
# --checksums.
ENTRYPOINT ["/app/deploy/image/with-memory-limit", "deno", "run", "--cached-only", "--no-code-cache", "--quiet", "--no-prompt", "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=60,--expose-gc", "-P=serve", "--allow-write=/data", "--config=/app/deno.json", "/app/main.ts"]

# Given by whoever publishes the image.
ARG VERSION=unknown
ARG REVISION=unknown
ENV ZIPFERRY_COMMIT=$REVISION
LABEL org.opencontainers.image.title="zipferry" \
  org.opencontainers.image.description="Hands out each folder of photos as one ZIP, made while it is sent" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION"

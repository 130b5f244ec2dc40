# syntax=docker/dockerfile:1
# Three targets: `cpu` and `gpu` hold the model in the process, `remote` asks a model server (no torch).
#   docker build --target cpu -t zhizhi:cpu .
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv \
 && useradd --uid 10001 --create-home --home-dir /home/zhizhi --shell /usr/sbin/nologin zhizhi \
 && install -d -o zhizhi -g zhizhi /data
WORKDIR /opt/zhizhi
COPY pyproject.toml constraints.txt README.md LICENSE ./

# The dependencies of a target are a layer of their own: changing the code does not install them again.
FROM base AS remote-dependencies
RUN --mount=type=bind,source=deploy/requirements.py,target=/tmp/requirements.py \
    python /tmp/requirements.py service shared tracing > /tmp/requirements.txt \
 && pip install -r /tmp/requirements.txt -c constraints.txt

# An index with CPU wheels of torch makes the image some gigabytes smaller:
#   --build-arg TORCH="torch --index-url <PyTorch's CPU wheel index>"
FROM base AS cpu-dependencies
ARG TORCH=torch
RUN pip install ${TORCH} -c constraints.txt
RUN --mount=type=bind,source=deploy/requirements.py,target=/tmp/requirements.py \
    python /tmp/requirements.py all shared tracing > /tmp/requirements.txt \
 && pip install -r /tmp/requirements.txt -c constraints.txt

# The wheels of torch for Linux bring CUDA along; the driver comes from the host.
FROM base AS gpu-dependencies
RUN --mount=type=bind,source=deploy/requirements.py,target=/tmp/requirements.py \
    python /tmp/requirements.py all shared tracing > /tmp/requirements.txt \
 && pip install -r /tmp/requirements.txt -c constraints.txt

FROM remote-dependencies AS remote
COPY . .
RUN pip install --no-deps -e .
USER 10001
ENV ZHIZHI_HOST=0.0.0.0 ZHIZHI_LOG_FORMAT=json
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["zhizhi"]
CMD ["serve", "--out", "/data/run"]

FROM gpu-dependencies AS gpu
COPY . .
RUN pip install --no-deps -e .
USER 10001
ENV ZHIZHI_HOST=0.0.0.0 ZHIZHI_LOG_FORMAT=json NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20m \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["zhizhi"]
CMD ["demo", "--out", "/data/run"]

FROM cpu-dependencies AS cpu
COPY . .
RUN pip install --no-deps -e .
USER 10001
ENV ZHIZHI_HOST=0.0.0.0 ZHIZHI_LOG_FORMAT=json
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20m \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["zhizhi"]
CMD ["demo", "--out", "/data/run"]

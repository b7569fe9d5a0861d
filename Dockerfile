# syntax=docker/dockerfile:1
# To pin the base by digest as well, look it up with
#   docker buildx imagetools inspect node:24.21.0-bookworm-slim
# and append it: ARG NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:…
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY scripts/copy-worker.mjs ./scripts/copy-worker.mjs
# The base image is Node 24 already: the copy that npm brings in for older machines would only add weight.
RUN npm run build \
 && npm prune --omit=dev --ignore-scripts \
 && rm -rf node_modules/node-linux-* node_modules/.bin

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="arrowport" \
      org.opencontainers.image.description="Lands Arrow data: streams in over HTTP and Arrow Flight, tables out" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
    ARROWPORT_CONFIG=/etc/arrowport/arrowport.yaml \
    ARROWPORT_DB=/data/arrowport.duckdb \
    ARROWPORT_CACHE=/opt/arrowport
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
COPY package.json LICENSE /app/
COPY bin /app/bin
COPY arrowport.yaml /etc/arrowport/arrowport.yaml
# The Delta worker's Python environment and DuckDB's delta extension are part of the image: a container needs no package index.
RUN node /app/bin/arrowport.mjs setup --duckdb-delta
RUN install -d -o node -g node /data
USER node
WORKDIR /data
VOLUME /data
EXPOSE 8888
# The health check follows ARROWPORT_PORT; a port set in a mounted arrowport.yaml needs it set here too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "const get = (module, orElse) => require(module).get({ host: '127.0.0.1', port: process.env.ARROWPORT_PORT ?? 8888, path: '/health/ready', rejectUnauthorized: false }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('error', orElse); get('http', () => get('https', () => process.exit(1)))"]
ENTRYPOINT ["node", "/app/bin/arrowport.mjs"]
CMD ["serve"]

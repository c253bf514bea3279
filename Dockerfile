# The decision service. Node runs its TypeScript as it is; only the dashboard is built, in a stage of its own.
FROM node:24-bookworm-slim AS dashboard

WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY tsconfig.json ./
COPY web ./web
RUN node node_modules/vite/bin/vite.js build web

FROM node:24-bookworm-slim

ENV NODE_ENV=production
WORKDIR /app

# better-sqlite3 brings its binaries; nothing here needs an install script.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force

COPY src ./src
COPY --from=dashboard /app/web/dist ./web/dist
COPY lua ./lua
COPY orthanc-config ./orthanc-config

# `docker compose exec service dde status`
RUN printf '#!/bin/sh\nexec sh /app/orthanc-config/with-secrets.sh node /app/src/cli/dde.ts "$@"\n' > /usr/local/bin/dde \
  && chmod 755 /usr/local/bin/dde \
  && mkdir -p /var/lib/dde/admission \
  && chown -R node:node /var/lib/dde

# How `npm start` runs the service too (src/farm/service-command.ts says why): small generations, one malloc arena, and
# compiled code kept in the image.
ENV DDE_HOME=/var/lib/dde MALLOC_ARENA_MAX=1 NODE_COMPILE_CACHE=/app/.cache
RUN node --max-semi-space-size=4 src/main.ts --version
USER node
VOLUME /var/lib/dde
EXPOSE 3000

HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:3000/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

ENTRYPOINT ["sh", "/app/orthanc-config/with-secrets.sh"]
CMD ["node", "--max-semi-space-size=4", "--min-semi-space-size=4", "--no-parallel-scavenge", "--initial-old-space-size=16", "--heap-growing-percent=25", "src/main.ts"]

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        cmake ninja-build gcc libc6-dev pkg-config libmicrohttpd-dev libgnutls28-dev libjansson-dev libopenblas-pthread-dev \
        zlib1g-dev libzstd-dev libsqlite3-dev libpq-dev libjs-chart.js \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cmake --preset release -DBUILD_TESTING=OFF \
    && cmake --build --preset release --target stabilityd \
    && cmake --install build/release --strip --prefix /installed

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="stabilityd" \
      org.opencontainers.image.description="Diagnoses the numerical stability of neural networks over HTTP" \
      org.opencontainers.image.licenses="Apache-2.0"
# The pthread variant by name: the serial one gives wrong products when requests run in parallel.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmicrohttpd12 libgnutls30 libjansson4 libopenblas0-pthread zlib1g libzstd1 libsqlite3-0 libpq5 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* \
        /usr/share/doc/* /usr/share/lintian/*
# With its man page: /usr/local/share/man is not left out of the image, as /usr/share/man is.
COPY --from=build /installed /usr/local
# Inside a container, who may reach the port is decided where it is published.
ENV STABILITYD_BIND=0.0.0.0 STABILITYD_INSECURE=true
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/stabilityd", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/stabilityd"]
CMD ["serve"]

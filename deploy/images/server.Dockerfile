# One static binary and the roots of trust; `make images` builds it and fills the context.
FROM scratch
LABEL org.opencontainers.image.title="kubezonnet-server" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY kubezonnet-server /kubezonnet-server
# Needs nothing of root, and so is not.
USER 65532:65532
ENTRYPOINT ["/kubezonnet-server"]

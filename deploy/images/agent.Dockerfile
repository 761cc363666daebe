# One static binary and the roots of trust; `make images` builds it and fills the context.
FROM scratch
LABEL org.opencontainers.image.title="kubezonnet-agent" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY kubezonnet-agent /kubezonnet-agent
# Capabilities that are added to the container reach only user 0.
USER 0:0
ENTRYPOINT ["/kubezonnet-agent"]

# A static binary, no shell, no root, no capability. ICMP needs one right: group 65532 inside the network namespace's
# net.ipv4.ping_group_range. Docker opens it by itself since 20.10; elsewhere:
#   --sysctl net.ipv4.ping_group_range="65532 65532"      (Kubernetes: securityContext.sysctls)
FROM golang:1.26-bookworm AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/uptally ./cmd/uptally \
 && install -d -o 65532 -g 65532 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/uptally /uptally
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/uptally"]
CMD ["run", "-c", "/etc/uptally/uptally.yaml"]

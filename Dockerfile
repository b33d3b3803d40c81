# A static binary, authorities' certificates and a folder: no shell, no package, no root, no capability. The files of the last stage are
# all there is. The same source gives the same binary: no cgo, no paths, no stamp of a checkout.
#
# ICMP needs one right: group 65532 inside the network namespace's net.ipv4.ping_group_range. Docker opens it by itself since 20.10;
# elsewhere:
#   --sysctl net.ipv4.ping_group_range="65532 65532"      (Kubernetes: securityContext.sysctls)
#
# Run it with --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit core=0, as configs/deploy/compose does.
FROM golang:1.26-bookworm AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/uptally ./cmd/uptally \
 && install -d -m 0700 -o 65532 -g 65532 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/uptally /uptally
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["/uptally"]
CMD ["run", "-c", "/etc/uptally/uptally.yaml"]

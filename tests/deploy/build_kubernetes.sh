#!/bin/bash
# build_kubernetes.sh OUT: etcd, and the API server, controller manager and scheduler of Kubernetes 1.20.2, built from Debian 12's
# own source package, in which all that they need lies, with Debian's Go. Without root; four minutes on two cores, once.
#
#   needs Debian 12's packages in apt's lists (apt-get update), dpkg-dev, and 2 GB of disk meanwhile, all of it in OUT.part
set -euo pipefail
OUT=$(realpath -m "$1")
WORK="$OUT.part"
rm -rf "$WORK" && mkdir -p "$WORK/bin" "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial" && cd "$WORK"

# 1. The tools as packages that are unpacked here, not installed; and the source through a view of apt's that is ours alone.
apt-get -q -o APT::Sandbox::User=root download golang-1.19-go golang-1.19-src etcd-server golang-github-modern-go-reflect2-dev
for package in *.deb; do dpkg-deb -x "$package" tools && rm "$package"; done
MIRROR=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Codename: bookworm" "Component: main" | sort -u | head -1)
printf 'Types: deb-src\nURIs: %s\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
  "${MIRROR:?no Debian 12 among the sources of apt}" > apt/source.sources
view=(-q -o "Dir::Etc::sourcelist=$WORK/apt/source.sources" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$WORK/apt/lists"
      -o "Dir::Cache=$WORK/apt/cache" -o APT::Sandbox::User=root)
apt-get "${view[@]}" update
apt-get "${view[@]}" source kubernetes
SOURCE=$(realpath kubernetes-*/)

# 2. Its reflect2 panics when built with Go 1.18 and later, at the first body in JSON: Debian's does not.
rm -f "$SOURCE"/vendor/github.com/modern-go/reflect2/*.{go,s}
cp tools/usr/share/gocode/src/github.com/modern-go/reflect2/* "$SOURCE/vendor/github.com/modern-go/reflect2/"

# 3. By a GOPATH, as Go 1.19 refuses its go.mod.
export GOROOT=$WORK/tools/usr/lib/go-1.19 GO111MODULE=off CGO_ENABLED=0 GOPROXY=off GOFLAGS= GOCACHE=$WORK/cache GOPATH=$WORK/path
export PATH=$GOROOT/bin:$PATH K=k8s.io/kubernetes
mkdir -p "$GOPATH/src/k8s.io" && ln -sfn "$SOURCE" "$GOPATH/src/$K" && cd "$GOPATH/src/$K"

# 4. The one generated file that the source leaves out.
go build -o "$WORK/openapi-gen" $K/vendor/k8s.io/kube-openapi/cmd/openapi-gen
folders=$(grep -rl --include='*.go' '+k8s:openapi-gen=' pkg staging/src/k8s.io | grep -v -E 'code-generator|sample-apiserver|/generators/|_test.go' \
  | xargs -n1 dirname | sort -u | sed -e "s#^staging/src/#$K/vendor/#" -e "s#^pkg/#$K/pkg/#" | paste -sd,)
"$WORK/openapi-gen" --logtostderr -i "$folders" -p $K/pkg/generated/openapi -O zz_generated.openapi \
  -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$WORK/violations.txt"

flags="-s -w"
for package in $K/vendor/k8s.io/component-base/version $K/vendor/k8s.io/client-go/pkg/version; do
  flags="$flags -X $package.gitVersion=v1.20.2 -X $package.gitMajor=1 -X $package.gitMinor=20 -X $package.buildDate=2021-01-13T00:00:00Z"
done
for program in kube-apiserver kube-controller-manager kube-scheduler; do
  nice -n 15 go build -tags providerless -trimpath -ldflags "$flags" -o "$WORK/bin/$program" $K/cmd/$program
done
mv "$WORK/tools/usr/bin/etcd" "$WORK/bin/"
mkdir -p "$OUT" && mv "$WORK/bin/"* "$OUT/" && cd / && chmod -R u+w "$WORK" && rm -rf "$WORK"

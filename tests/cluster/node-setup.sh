# Runs inside the node's file system (chroot), once, when the node image is made. $1: the version of the pause image that kubeadm lists.
chmod 755 /usr/local/bin/* /kind /kind/bin /kind/bin/* /usr/bin/kubelet /usr/bin/kubectl /usr/bin/kubeadm /opt/cni/bin/*
ln -sf /usr/bin/containerd /usr/local/bin/containerd

# That pause image, and no negative OOM scores: the machine may lack CAP_SYS_RESOURCE.
sed -i "s/pause:[0-9.]*/pause:$1/; s/restrict_oom_score_adj = false/restrict_oom_score_adj = true/" /etc/containerd/config.toml
cat >>/etc/containerd/config.toml <<'TOML'
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"
TOML

# The runtime's base spec: kind's hook that hides the host's product files, and no resource limits.
hook='{"path": "/kind/bin/mount-product-files.sh"}'
ctr oci spec | jq ".hooks.createContainer += [$hook] | del(.process.rlimits)" >/etc/containerd/cri-base.json

# Only the kubelet, containerd and kind's own unit start with the node.
find /lib/systemd/system/sysinit.target.wants/ -name 'systemd-tmpfiles-setup.service' -delete
rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/* /lib/systemd/system/local-fs.target.wants/* \
  /lib/systemd/system/sockets.target.wants/*udev* /lib/systemd/system/sockets.target.wants/*initctl* \
  /lib/systemd/system/basic.target.wants/*
echo 'ReadKMsg=no' >>/etc/systemd/journald.conf
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
systemctl mask systemd-binfmt.service
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man /usr/share/locale /var/cache/*

#!/usr/bin/env node
/**
 * What the real docker client sends to POST /containers/create, and what it refuses by itself, recorded into test/golden/cli/create.json.
 * A listener on a unix socket takes the daemon's part: it answers the ping and refuses every create after reading it, so nothing runs
 * and no dockerd is needed.
 * usage: node scripts/record-create.mjs [path of the docker client, default /usr/local/bin/docker]
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const DOCKER = process.argv[2] ?? "/usr/local/bin/docker";
const GOLDEN = fileURLToPath(new URL("../test/golden/cli/create.json", import.meta.url));

/** Relative paths are made absolute by the client, so the directory's name is part of the record. */
const CWD = "/tmp/docknet-record-create";
const ENV = { LAB_COLOUR: "blue", LAB_EMPTY: "" };
const FILES = {
  "env.list": "# comment\nFROM_FILE=1\n\n  INDENTED=two words \nLAB_COLOUR\nUNSET_HERE\nQUOTED='x'\n",
  "label.list": "com.example.tier=web\nplain\n# no\n",
  "bad.list": "=novalue\n",
  "space.list": "a b=c\n",
  "seccomp.json": '{ "defaultAction": "SCMP_ACT_ALLOW",\n  "syscalls": [ ] }\n',
  "broken.json": "{",
};

/** One command line a row, words parted by single spaces; an array where a word has a space or is empty. `run` lines are `run -d`. */
const LINES = [
  "create busybox",
  "create busybox sleep 60",
  "create --name web nginx",
  "run -d nginx",
  "run -d --rm --name web -p 8080:80 nginx",
  "create -it busybox sh",
  "create -i busybox cat",
  "create -t busybox",
  "create -a stdout busybox",
  "create -a stdin -a STDERR busybox",
  "create -h web --domainname example.com busybox",
  "create --network lab busybox",
  "create --net lab busybox",
  "create --network host busybox",
  "create --network none busybox",
  "create --network bridge busybox",
  "create --network default busybox",
  "create --network container:other busybox",
  "create --network name=lab,ip=10.1.0.5 busybox",
  "create --network name=lab,ip=10.1.0.5,ip6=fd00::5,alias=a,alias=b,mac-address=02:42:0a:01:00:05 busybox",
  "create --network name=lab,driver-opt=com.docker.network.endpoint.ifname=lan0,gw-priority=10 busybox",
  "create --network name=lab,link-local-ip=169.254.1.1,link-local-ip=fe80::9 busybox",
  "create --network lab --network other busybox",
  "create --network lab --network name=other,alias=x --network-alias y busybox",
  "create --network lab --network-alias web --network-alias www busybox",
  "create --network lab --net-alias web busybox",
  "create --network lab --ip 10.1.0.9 --ip6 fd00:0:0::9 busybox",
  "create --network lab --link-local-ip 169.254.1.1 busybox",
  "create --network lab --mac-address 02-42-0A-01-00-09 busybox",
  "create --mac-address 02:42:ac:11:00:09 busybox",
  "create --network lab --link db:database --link cache busybox",
  "create --link db:database busybox",
  "create --network=name=Lab,alias=Web busybox",
  ["create", "--network", "name= lab , alias= web ", "busybox"],
  ["create", "--network", '"name=lab","alias=we,b"', "busybox"],
  "create -p 80 busybox",
  "create -p 8080:80/udp busybox",
  "create -p :80 busybox",
  "create -p 0:80 busybox",
  "create -p 127.0.0.1:8080:80 busybox",
  "create -p 127.0.0.1::80 busybox",
  "create -p [::1]:9090:80 -p ::1:9091:81 busybox",
  "create -p 8000-8002:80-82 busybox",
  "create -p 8000-8010:80 busybox",
  "create -p 80-82 busybox",
  "create -p 80:0 busybox",
  "create -p 8080:80/TCP -p 8081:80 busybox",
  "create -p published=8080,target=80,protocol=tcp,mode=host busybox",
  "create -p target=80 busybox",
  "create -p published=53,target=53,protocol=udp busybox",
  "create -p 08080:080 busybox",
  "create -P --expose 80 --expose 90/udp --expose 8000-8003/sctp nginx",
  "create --expose 80/TCP busybox",
  "create --dns 1.1.1.1 --dns 2001:DB8::0:53 --dns-search example.com --dns-search . --dns-option ndots:2 --dns-opt rotate busybox",
  "create --dns ::ffff:10.0.0.1 --dns 127.0.0.1 busybox",
  "create --add-host db:10.0.0.5 --add-host six:::1 --add-host gw:host-gateway --add-host e=10.0.0.6 --add-host f=[2001:db8::1] busybox",
  "create -l a=b -l plain --label c=d=e --label-file label.list busybox",
  "create --sysctl net.ipv4.ip_forward=1 --sysctl net.core.somaxconn=512 --sysctl kernel.msgmax=1 busybox",
  "create -e A=1 -e LAB_COLOUR -e UNSET_HERE -e LAB_EMPTY -e B= --env-file env.list busybox",
  "create -w /srv -u 1000:1000 --entrypoint /bin/sh busybox -c id",
  "create --entrypoint= busybox true",
  "create --restart always busybox",
  "create --restart on-failure:3 busybox",
  "create --restart unless-stopped busybox",
  "create --restart= busybox",
  "create --restart no --rm busybox",
  "create --stop-signal SIGINT --stop-timeout 5 busybox",
  "create --stop-timeout 0 --pull never --platform linux/amd64 busybox",
  "create --platform linux/arm64/v8 --pull missing busybox",
  "create --pull never --platform linux busybox",
  "create --privileged --cap-add NET_ADMIN --cap-drop ALL --init busybox",
  "create --init=false --read-only busybox",
  "create --no-healthcheck busybox",
  "create --health-cmd true --health-interval 1m30s --health-timeout 500ms --health-retries 3 --health-start-period 1.5s --health-start-interval 2s busybox",
  "create -v /data busybox",
  "create -v /srv:/data:ro busybox",
  "create -v ./rel:/data busybox",
  "create -v ../up:/data -v named:/vol:nocopy busybox",
  "create -v ~/x:/data -v .:/here busybox",
  "create --mount type=bind,source=/srv,target=/data,readonly busybox",
  "create --mount type=bind,src=./rel,dst=/data,bind-propagation=rshared,bind-recursive=disabled busybox",
  "create --mount type=tmpfs,destination=/t,tmpfs-size=64m,tmpfs-mode=1770 busybox",
  "create --mount source=vol,target=/data,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=o=addr busybox",
  "create --mount type=volume,target=/data,volume-subpath=sub,consistency=Cached,ro=false busybox",
  "create --mount type=image,source=busybox,target=/i,image-subpath=bin busybox",
  "create --mount type=bind,source=/srv,target=/d,readonly,bind-recursive=readonly,bind-propagation=rprivate busybox",
  "create --tmpfs /run --tmpfs /tmp:size=64m,exec busybox",
  "create -m 64m --memory-reservation 32M --memory-swap -1 --memory-swappiness 10 --shm-size 1.5g busybox",
  "create --memory 100 --memory-swap 1gib --shm-size 64kb busybox",
  "create --cpus 1.5 -c 512 --cpu-period 100000 --cpu-quota 50000 --cpuset-cpus 0-1 --cpuset-mems 0 busybox",
  "create --cpu-rt-period 1000 --cpu-rt-runtime 500 --cpus 1/2 busybox",
  "create --blkio-weight 300 --blkio-weight-device /dev/sda:200 busybox",
  "create --device-read-bps /dev/sda:1mb --device-write-bps /dev/sda:2kb --device-read-iops /dev/sda:10 --device-write-iops /dev/sda:20 busybox",
  "create --device /dev/null --device /dev/zero:/dev/z --device /dev/full:r --device /dev/tty:/dev/t:rw busybox",
  "create --device vendor.com/class=dev0 --device /dev/null busybox",
  ["create", "--device-cgroup-rule", "c 1:3 rwm", "--device", "vendor.com/class=dev0", "busybox"],
  "create --gpus all busybox",
  "create --gpus 2 busybox",
  ["create", "--gpus", 'driver=nvidia,"device=0,1","capabilities=utility,compute",options=a=b', "busybox"],
  "create --group-add audio --group-add 5 --security-opt no-new-privileges --security-opt label=disable busybox",
  "create --security-opt seccomp=unconfined --security-opt systempaths=unconfined --security-opt apparmor:x busybox",
  "create --security-opt seccomp=seccomp.json busybox",
  "create --storage-opt size=1G --log-driver json-file --log-opt max-size=1m --log-opt tag busybox",
  "create --ulimit nofile=1024:2048 --ulimit core=-1 --ulimit nproc=5 busybox",
  "create --pid host --uts host --ipc private --userns host --cgroupns private busybox",
  "create --pid container:x --ipc container:y busybox",
  "create --oom-kill-disable --oom-score-adj -500 --pids-limit 100 --cgroup-parent /lab busybox",
  "create --isolation default --runtime runc --volumes-from a --volumes-from b:ro --volume-driver local busybox",
  "create --annotation a=b --annotation c busybox",
  "create --kernel-memory 64m --quiet --disable-content-trust busybox",
  "create --disable-content-trust=true busybox",
  "create --cidfile cid.txt busybox",
  "create -itu root busybox",
  "create -p8080:80 -ea=b -lx busybox -p 1:1",
  "create -- busybox -x",
  "create docker.io/library/busybox:1.36",
  "create busybox@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "create -m 5.m --memory-reservation .5m --shm-size 1e3 busybox",
  ["create", "-m", "5 m", "--memory-reservation", "5 ", "--shm-size", "5MiB", "busybox"],
  "create --mount TYPE=tmpfs,TARGET=/x,ReadOnly busybox",
  "create --cpus 1e-1 busybox",
  "create --cap-add sys_admin --cap-add CAP_NET_RAW --cap-drop net_raw --cap-drop mknod busybox",
  "create --blkio-weight 0300 --cpu-shares 0x10 busybox",
  "create -v /a:/b -v /a:/b busybox",
  "create -v //server/x:/y busybox",
  "create --network host --mac-address 02:42:0a:01:00:05 busybox",
  "create --network Lab busybox",
  "create --network container:a --network-alias= busybox",
  "create --platform x86_64 busybox",
  "create --platform linux/aarch64 busybox",
  "create --platform linux/arm64/8 busybox",
  "create --platform windows/amd64/v1 busybox",
  "create 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "create localhost/a/b:1_2.x",
  "create my.registry:5000/team/app",
  "run -dit --sig-proxy=false --detach-keys ctrl-a busybox sh",
  // refused by the client itself
  "create --add-host a:b=1.2.3.4 busybox",
  "create -m 5.5.5m busybox",
  ["create", "-m", "5  m", "busybox"],
  "create -m 5bi busybox",
  "create -m 5ib busybox",
  "create --memory-swap -2 busybox",
  "create --cpus -1/0 busybox",
  "create --cpus 1.5/2 busybox",
  "create --health-interval 5 --health-cmd x busybox",
  "create --health-interval 5x --health-cmd x busybox",
  "create --health-interval= --health-cmd x busybox",
  "create --platform linux/* busybox",
  "create --platform nosuch busybox",
  "create --platform linux/a+b busybox",
  "create --platform (/x busybox",
  "create a//b",
  "create docker.io/UPPER/x",
  "create -a",
  "create -pit",
  "create --=x",
  "create ---x",
  "create --publish-all=x busybox",
  "create --io-maxbandwidth 1m --cpu-count 2 --io-maxiops 5 busybox",
  "create",
  "run -d",
  "create --foo busybox",
  "create -z busybox",
  "create --name",
  "create -p 9090:80-82 busybox",
  "create -p 9090: busybox",
  "create -p foo:80 busybox",
  "create -p 70000:80 busybox",
  "create -p 80/icmp busybox",
  "create -p localhost:80:80 busybox",
  "create -p 8080:bar busybox",
  "create -p [::1:80:80 busybox",
  "create -p 82-80 busybox",
  "create -p x=8080,80 busybox",
  ["create", "-p", "", "busybox"],
  "create --expose foo busybox",
  "create --expose 90000 busybox",
  "create --expose 5-3 busybox",
  "create --expose 80:80 busybox",
  "create --expose 80/icmp busybox",
  "create --network a=b,c busybox",
  "create --network name=lab,foo=bar busybox",
  "create --network name=lab,ip=foo busybox",
  "create --network name=lab,gw-priority=x busybox",
  "create --network name=lab,driver-opt=x busybox",
  "create --network alias=x busybox",
  "create --network name=lab,mac-address=zz busybox",
  "create --network name=lab,alias busybox",
  "create --network name=lab,link-local-ip=x busybox",
  "create --network lab --network lab busybox",
  "create --network lab --network host busybox",
  ["create", "--network", "", "busybox"],
  ["create", "--network", 'name=la"b', "busybox"],
  "create --network-alias a busybox",
  "create --network host --network-alias a busybox",
  "create --network host --network-alias a --ip 10.0.0.1 busybox",
  "create --network name=lab,alias=a --network-alias b busybox",
  "create --network name=lab,ip=10.1.0.1 --ip 10.1.0.2 busybox",
  "create --network name=lab,ip6=fd00::1 --ip6 fd00::2 busybox",
  "create --network name=lab,mac-address=02:42:0a:01:00:05 --mac-address 02:42:0a:01:00:06 busybox",
  "create --network name=lab,link-local-ip=169.254.1.1 --link-local-ip 169.254.1.2 busybox",
  "create --ip foo busybox",
  "create --ip6 foo busybox",
  "create --mac-address foo busybox",
  "create --dns foo busybox",
  "create --dns-search -bad- busybox",
  "create --dns-search 1.1 busybox",
  "create --add-host foo busybox",
  "create --add-host foo:bar busybox",
  "create --add-host :1.2.3.4 busybox",
  ["create", "--link", "", "busybox"],
  "create --link a:b:c busybox",
  "create -l =a busybox",
  ["create", "-l", "a b=c", "busybox"],
  "create --label-file missing.list busybox",
  "create --env-file bad.list busybox",
  "create --env-file space.list busybox",
  "create --env-file missing.list busybox",
  "create -e =x busybox",
  "create --sysctl kernel.hostname=x busybox",
  "create --sysctl net.ipv4.ip_forward busybox",
  "create --annotation =x busybox",
  "create --restart always --rm busybox",
  "create --restart :3 busybox",
  "create --restart on-failure:x busybox",
  "create --restart bogus busybox",
  "create --stop-timeout x busybox",
  "create --stop-timeout 99999999999999999999 busybox",
  "create --pull x busybox",
  "create --platform foo/bar/baz/q busybox",
  "create -a foo busybox",
  "run -d -a stdout busybox",
  "run -d --rm=maybe busybox",
  "create -m x busybox",
  "create -m -5m busybox",
  "create -m 5x busybox",
  ["create", "-m", "", "busybox"],
  "create --memory-swappiness 101 busybox",
  "create --cpus x busybox",
  "create --cpus 0.1234567891 busybox",
  "create --blkio-weight 70000 busybox",
  "create --blkio-weight-device /dev/sda:5 busybox",
  "create --blkio-weight-device sda:50 busybox",
  "create --device-read-bps /dev/sda:x busybox",
  "create --device-write-iops /dev/sda:-1 busybox",
  "create --device-read-iops /dev/sda busybox",
  "create --device foo busybox",
  "create --device /dev/a:/dev/b:x busybox",
  "create --device /dev/a:/dev/b:r:w busybox",
  "create --device-cgroup-rule x busybox",
  "create --gpus x busybox",
  "create --gpus foo=bar busybox",
  "create --gpus count=1,count=2 busybox",
  "create --security-opt foo busybox",
  "create --security-opt seccomp=missing.json busybox",
  "create --security-opt seccomp=broken.json busybox",
  "create --storage-opt size busybox",
  "create --log-driver none --log-opt a=b busybox",
  "create --ulimit nofile busybox",
  "create --ulimit bogus=1 busybox",
  "create --ulimit nofile=x busybox",
  "create --ulimit nofile=5:1 busybox",
  "create --ulimit nofile=1:2:3 busybox",
  "create --pid x busybox",
  "create --uts x busybox",
  "create --userns x busybox",
  "create --cgroupns x busybox",
  "create --ipc x busybox",
  "create --no-healthcheck --health-cmd true busybox",
  "create --health-interval x busybox",
  "create --health-interval -1s --health-cmd true busybox",
  "create --health-retries -1 busybox",
  "create --mount type=bind busybox",
  "create --mount foo=bar busybox",
  "create --mount foo busybox",
  "create --mount type=bind,target=/x,volume-nocopy busybox",
  "create --mount target=/x,tmpfs-size=x busybox",
  "create --mount target=/x,readonly=maybe busybox",
  "create --mount type=bind,target=/x,bind-recursive=foo busybox",
  "create --mount type=bind,target=/x,bind-recursive=readonly busybox",
  "create --mount type=tmpfs,target=/x,tmpfs-mode=9 busybox",
  "create -v a:b:c:d busybox",
  "create -v :/x busybox",
  ["create", "-v", "", "busybox"],
  "create --cidfile missing/cid busybox",
  "create --cidfile env.list busybox",
  "create Bad:Image:x",
  "create UPPER",
  ["create", ""],
  "create busybox:",
];

const words = (line) => (Array.isArray(line) ? line : line.split(" "));

/** Listens where docker looks for its daemon; `take()` gives the create request of the last command, if there was one. */
async function listen(socketPath) {
  let taken;
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const url = new URL(request.url, "http://docker");
      if (url.pathname.endsWith("/containers/create"))
        taken = {
          query: Object.fromEntries(url.searchParams),
          body: JSON.parse(Buffer.concat(chunks).toString("utf8")),
        };
      const isPing = url.pathname.endsWith("/_ping");
      response.writeHead(isPing ? 200 : 400, {
        "Api-Version": "1.51",
        Ostype: "linux",
        "Content-Type": "application/json",
      });
      response.end(isPing ? "OK" : JSON.stringify({ message: "recorded" }));
    });
  });
  await new Promise((resolve) => server.listen(socketPath, resolve));
  return {
    take() {
      const last = taken;
      taken = undefined;
      return last;
    },
    close: () => server.close(),
  };
}

function run(argv, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(DOCKER, argv, { cwd: CWD, env, stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stdout.resume();
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stderr }));
  });
}

const dir = mkdtempSync(join(tmpdir(), "docknet-record-"));
mkdirSync(CWD);
try {
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(CWD, name), text);
  const socketPath = join(dir, "docker.sock");
  const daemon = await listen(socketPath);
  const env = { ...ENV, PWD: CWD, HOME: dir, PATH: "/usr/bin:/bin", DOCKER_HOST: `unix://${socketPath}` };
  const records = [];
  for (const line of LINES) {
    const argv = words(line);
    const { status, stderr } = await run(argv, env);
    const sent = daemon.take();
    rmSync(join(CWD, "cid.txt"), { force: true });
    records.push(sent ? { argv, ...sent } : { argv, status, stderr });
  }
  daemon.close();
  writeFileSync(GOLDEN, `${JSON.stringify({ cwd: CWD, env: ENV, files: FILES, records }, null, 1)}\n`);
  console.log(`${records.filter((r) => r.body).length} sent, ${records.filter((r) => !r.body).length} refused`);
} finally {
  rmSync(CWD, { recursive: true });
  rmSync(dir, { recursive: true });
}

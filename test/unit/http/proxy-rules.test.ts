import { expect, test } from "vitest";
import { isOnRegistry, resolveLocation } from "../../../src/auth/ping.ts";
import { withoutSecrets } from "../../../src/errors/secrets.ts";
import { proxyFor } from "../../../src/http/proxies.ts";
import { isPrivateAddress } from "../../../src/http/redirects.ts";
import { authorizationIn } from "../../../src/http/tunnel.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const PROXIES = { HTTP_PROXY: "http://plain:1", HTTPS_PROXY: "secure:2" };

test.each([
  ["http://reg.example/", "", "http://plain:1/"],
  ["https://reg.example/", "", "http://secure:2/"],
  ["https://localhost:5000/", "", undefined],
  ["https://127.1.2.3/", "", undefined],
  ["https://[::1]:5000/", "", undefined],
  ["https://reg.example/", "*", undefined],
  ["https://reg.example/", "other, reg.example", undefined],
  ["https://a.reg.example/", "reg.example", undefined],
  ["https://areg.example/", "reg.example", "http://secure:2/"],
  ["https://reg.example/", ".reg.example", "http://secure:2/"],
  ["https://a.reg.example/", "*.REG.example", undefined],
  ["https://reg.example/", "reg.example:443", undefined],
  ["https://reg.example:5000/", "reg.example:443", "http://secure:2/"],
  ["https://10.2.3.4/", "10.0.0.0/8", undefined],
  ["https://11.2.3.4/", "10.0.0.0/8", "http://secure:2/"],
  ["https://10.2.3.4/", "10.0.0.0/99", "http://secure:2/"],
  ["https://[fd00::1]/", "fd00::/8", undefined],
  ["https://[fd00::1]/", "fd00::1", undefined],
  ["https://[::ffff:127.0.0.1]/", "", undefined],
  ["https://[::ffff:10.2.3.4]/", "10.2.3.4", undefined],
  ["https://[::ffff:10.2.3.4]/", "10.0.0.0/8", undefined],
  ["https://[::ffff:11.2.3.4]/", "10.0.0.0/8", "http://secure:2/"],
  ["https://10.2.3.4/", "::ffff:10.2.3.4", undefined],
  ["https://10.2.3.4/", "::ffff:10.0.0.0/104", undefined],
  ["https://11.2.3.4/", "::ffff:10.0.0.0/104", "http://secure:2/"],
  ["https://10.2.3.4/", "::/0", "http://secure:2/"],
])("%s with NO_PROXY=%s", (url, noProxy, proxy) => {
  expect(proxyFor(new URL(url), { ...PROXIES, NO_PROXY: noProxy })?.href).toBe(proxy);
});

// Facts of golang.org/x/net http/httpproxy/proxy_test.go: TestProxyForURL, with its default URL.
const EXAMPLE = "http://example.com";
test.each<[string, Record<string, string>, string, string | undefined]>([
  ["an address", { HTTP_PROXY: "127.0.0.1:8080" }, EXAMPLE, "http://127.0.0.1:8080/"],
  ["a name with a port", { HTTP_PROXY: "cache.corp.example.com:1234" }, EXAMPLE, "http://cache.corp.example.com:1234/"],
  ["a name", { HTTP_PROXY: "cache.corp.example.com" }, EXAMPLE, "http://cache.corp.example.com/"],
  ["a name that looks like a scheme", { HTTP_PROXY: "localhost" }, EXAMPLE, "http://localhost/"],
  ["one with TLS", { HTTP_PROXY: "https://cache.corp.example.com" }, EXAMPLE, "https://cache.corp.example.com/"],
  ["one with TLS at an address", { HTTP_PROXY: "https://127.0.0.1:8080" }, EXAMPLE, "https://127.0.0.1:8080/"],
  ["SOCKS", { HTTP_PROXY: "socks5://127.0.0.1" }, EXAMPLE, "socks5://127.0.0.1"],
  ["an HTTP proxy for an unknown scheme", { HTTP_PROXY: "tcp://u:p@proxy:8080" }, EXAMPLE, "http://u:p@proxy:8080/"],
  ["an HTTP proxy for another protocol's scheme", { HTTP_PROXY: "ws://proxy:8080" }, EXAMPLE, "http://proxy:8080/"],
  ["this machine for a port", { HTTP_PROXY: ":3128" }, EXAMPLE, "http://127.0.0.1:3128/"],
  ["this machine for a port and a login", { HTTP_PROXY: "u:p@:3128" }, EXAMPLE, "http://u:p@127.0.0.1:3128/"],
  ["this machine for an empty host", { HTTP_PROXY: "http://:3128" }, EXAMPLE, "http://127.0.0.1:3128/"],
  ["this machine with TLS", { HTTP_PROXY: "https://u:p@:3128/x" }, EXAMPLE, "https://u:p@127.0.0.1:3128/x"],
  ["SOCKS on this machine", { HTTP_PROXY: "socks5://:1080" }, EXAMPLE, "socks5://127.0.0.1:1080"],
  [
    "its own for http",
    { HTTP_PROXY: "http.proxy.tld", HTTPS_PROXY: "secure.proxy.tld" },
    "http://insecure.tld/",
    "http://http.proxy.tld/",
  ],
  [
    "its own for https",
    { HTTP_PROXY: "http.proxy.tld", HTTPS_PROXY: "secure.proxy.tld" },
    "https://secure.tld/",
    "http://secure.proxy.tld/",
  ],
  [
    "one with TLS for https",
    { HTTPS_PROXY: "https://secure.proxy.tld" },
    "https://secure.tld/",
    "https://secure.proxy.tld/",
  ],
  ["none for https", { HTTP_PROXY: "http.proxy.tld" }, "https://secure.tld/", undefined],
  [
    "one for https in a CGI program",
    { HTTPS_PROXY: "https://secure.proxy.tld", REQUEST_METHOD: "PUT" },
    "https://secure.tld/",
    "https://secure.proxy.tld/",
  ],
  ["none", {}, EXAMPLE, undefined],
  ["nonsense", { HTTP_PROXY: "a b" }, EXAMPLE, undefined],
  ["none for a leading blank", { HTTP_PROXY: " http://proxy:3128" }, EXAMPLE, undefined],
  ["none for a line break", { HTTP_PROXY: "http://proxy:3128\n" }, EXAMPLE, undefined],
  [
    "none for a host in NO_PROXY, even if the proxy's port is invalid",
    { HTTP_PROXY: "proxy:99999", NO_PROXY: ".com" },
    EXAMPLE,
    undefined,
  ],
  ["one whose password looks like a port", { HTTP_PROXY: "u:99999@proxy" }, EXAMPLE, "http://u:99999@proxy/"],
  ["one whose path looks like a port", { HTTP_PROXY: "proxy/x:99999" }, EXAMPLE, "http://proxy/x:99999"],
  [
    "a name of another script by its end",
    { NO_PROXY: ".示例.com", HTTP_PROXY: "proxy" },
    "http://www.示例.com",
    undefined,
  ],
  ["a name in punycode", { NO_PROXY: "xn--fsq092h.com", HTTP_PROXY: "proxy" }, "http://www.示例.com", undefined],
  ["a name of another script", { NO_PROXY: "示例.com", HTTP_PROXY: "proxy" }, "http://www.xn--fsq092h.com", undefined],
])("the proxy is %s", (_what, environment, url, proxy) => {
  expect(proxyFor(new URL(url), environment)?.href).toBe(proxy);
});

// The same file, TestUseProxy; all at port 80.
const NO_PROXY =
  "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64";
const HOSTS: readonly (readonly [host: string, uses: boolean])[] = [
  ["localhost", false],
  ["127.0.0.1", false],
  ["127.0.0.2", false],
  ["[::1]", false],
  ["[::2]", true],
  ["192.168.1.1", false],
  ["192.168.1.2", true],
  ["192.168.1.3", false],
  ["192.168.1.4", true],
  ["10.0.0.2", false],
  ["[2001:db8::52:0:1]", false],
  ["[2001:db8::52:0:2]", true],
  ["[2001:db8::52:0:3]", false],
  ["[2002:db8:a::123]", false],
  ["[fe80::424b:c8be:1643:a1b6]", true],
  ["barbaz.net", true],
  ["www.barbaz.net", false],
  ["foobar.com", false],
  ["www.foobar.com", false],
  ["foofoobar.com", true],
  ["baz.com", true],
  ["localhost.net", true],
  ["local.localhost", true],
  ["barbarbaz.net", true],
  ["wildcard.io", true],
  ["nested.wildcard.io", false],
  ["awildcard.io", true],
];

test.each(HOSTS)("%s uses the proxy: %s", (host, uses) => {
  const url = new URL(`http://${host}`);
  expect(proxyFor(url, { HTTP_PROXY: "proxy", NO_PROXY }) !== undefined).toBe(uses);
  expect(proxyFor(url, { HTTP_PROXY: "proxy", NO_PROXY: "*" })).toBeUndefined();
});

test.each([
  ["192.168.1.1", "1.1", true],
  ["192.168.1.1", ".1.1", true],
  ["a.1.2.3.4.example", "1.2.3.4", true],
  ["example.com", ":1", true],
  ["example.com", "example.com:", false],
  ["[2001:db8::1]", "2001:0db8:0::1", false],
  ["[2001:db8::1]", "[2001:db8::1]", true],
  ["[2001:db8::1]", "[2001:db8::1]:", false],
  ["[2001:db8::1]", "2001:db8::1%eth0", true],
  ["10.0.0.1", "[10.0.0.1]:80", false],
  ["example.com", "[example.com]", true],
  ["example.com", "[example.com]:80", false],
  ["example.com", "user@example.com", true],
  ["example.com", "example.com#old", true],
  ["example.com", "http://example.com", true],
  ["example.com", "com:80:80", true],
  ["example.com.", "com", true],
  ["example.com.", "com.", false],
  ["example.com.", ".", false],
])("%s with NO_PROXY=%s uses the proxy: %s", (host, noProxy, uses) => {
  const environment = { HTTP_PROXY: "proxy", NO_PROXY: noProxy };
  expect(proxyFor(new URL(`http://${host}`), environment) !== undefined).toBe(uses);
});

const INVALID_PORT = /^proxyconnect tcp: dial tcp: address 312800: invalid port$/;

test.each<[Record<string, string>, RegExp]>([
  [
    { HTTP_PROXY: "http://10.1.2.3:8080", REQUEST_METHOD: "PUT" },
    /^refusing to use HTTP_PROXY value in CGI environment/,
  ],
  [{ HTTP_PROXY: "foo://host" }, /unknown proxy scheme: foo$/],
  [{ HTTP_PROXY: "http://u:p@10.0.0.1:312800" }, INVALID_PORT],
  [{ HTTP_PROXY: "u:p@10.0.0.1:312800" }, INVALID_PORT],
  [{ HTTP_PROXY: "socks5://[::1]:312800" }, INVALID_PORT],
  [{ HTTP_PROXY: ":312800/x" }, INVALID_PORT],
])("rejects %j", (environment, message) => {
  expect(thrownBy(() => proxyFor(new URL("http://r.example/"), environment))).toMatchObject({
    message: expect.stringMatching(message),
  });
});

test.each(["u:pa#ss@proxy:1", "http://u:1234/ss@proxy:1", "http://u:99999?ss@proxy", "http://dom\\u:pass@proxy:1"])(
  "rejects %s, whose login ends its host, without a part of it",
  (value) => {
    const lowerCase = { https_proxy: value };
    const refused = thrownBy(() => proxyFor(new URL("https://r.example/"), lowerCase));
    expect(refused).toMatchObject({
      message: "proxyconnect tcp: HTTPS_PROXY is not the URL of a proxy",
      hint: "Write special characters in the user and the password of HTTPS_PROXY as %XX: # as %23, / as %2F, ? as %3F, \\ as %5C.",
    });
    expect(proxyFor(new URL("https://r.example/"), { ...lowerCase, no_proxy: "r.example" })).toBeUndefined();
    expect(proxyFor(new URL("https://localhost/"), lowerCase)).toBeUndefined();
  },
);

test("a proxy's password stays out of messages, plain and encoded", () => {
  proxyFor(new URL("http://r.example/"), { HTTP_PROXY: "http://me:pass%40word-of-proxy@proxy" });
  const sent = Buffer.from("me:pass@word-of-proxy").toString("base64");
  expect(withoutSecrets(`pass@word-of-proxy ${sent}`)).toBe("[redacted] [redacted]");
});

test.each([
  ["me:p%40ss", Buffer.from("me:p@ss")],
  ["me:p%E4ss", Buffer.from("me:p\xe4ss", "latin1")],
  ["me:p%C3%A4ss", Buffer.from("me:p\xe4ss")],
  ["me:50%of%41%", Buffer.from("me:50%ofA%")],
])("the login %s is sent with the bytes that it stands for", (login, bytes) => {
  const sent = authorizationIn(new URL(`http://${login}@proxy`));
  expect(sent).toBe(`Basic ${bytes.toString("base64")}`);
});

test("HTTP_PROXY does not apply to https, and lower case works", () => {
  expect(proxyFor(new URL("https://r/"), { HTTP_PROXY: "http://plain:1" })).toBeUndefined();
  expect(proxyFor(new URL("http://r/"), { http_proxy: "http://plain:1" })?.href).toBe("http://plain:1/");
});

test.each([
  ["http://169.254.169.254/", true],
  ["http://10.0.0.1/", true],
  ["http://172.31.0.1/", true],
  ["http://172.32.0.1/", false],
  ["http://0.0.0.0/", true],
  ["http://[fd00:ec2::254]/", true],
  ["http://[fe80::1]/", true],
  ["http://[::ffff:10.0.0.1]/", true],
  ["http://8.8.8.8/", false],
  ["http://metadata.internal/", false],
  ["http://metadata.google.internal./", true],
  ["http://metadata/", true],
  ["http://localhost:2375/", true],
  ["http://a.localhost/", true],
  ["http://2130706433/", true],
  ["http://0x7f.1/", true],
  ["http://100.100.100.200/", true],
  ["http://100.100.100.201/", false],
  ["http://[64:ff9b::169.254.169.254]/", true],
  ["http://[64:ff9b::8.8.8.8]/", false],
  ["http://[64:ff9b::1]/", false],
])("%s is private: %s", (url, isPrivate) => {
  expect(isPrivateAddress(new URL(url))).toBe(isPrivate);
});

test.each([
  ["https://reg.example/x", "reg.example", true],
  ["https://reg.example:443/x", "reg.example", true],
  ["http://reg.example/x", "reg.example", true],
  ["http://reg.example/x", "reg.example:443", true],
  ["https://reg.example:8443/x", "reg.example", false],
  ["https://cdn.example/x", "reg.example", false],
  ["https://[::1]:5000/x", "[::1]:5000", true],
  ["https://[::1]/x", "[::1]", true],
  ["https://[::1]:5000/x", "[0:0:0:0:0:0:0:1]:5000", true],
  ["https://reg.example:5000/x", "Reg.Example:05000", true],
])("%s is on the registry %s: %s", (url, registry, isThere) => {
  expect(isOnRegistry(new URL(url), registry, "https:")).toBe(isThere);
});

test.each([
  ["/v2/x?_state=a%2Fb", "https://reg.example/v2/x?_state=a%2Fb"],
  ["http://reg.example/v2/x", "https://reg.example/v2/x"],
  ["http://storage.example/x", "http://storage.example/x"],
  ["file:///etc/passwd", undefined],
  ["http://", undefined],
])("a Location %s leads to %s", (location, url) => {
  const base = new URL("https://reg.example/v2/a/blobs/uploads/");
  expect(resolveLocation(location, base, "reg.example", "https:")?.href).toBe(url);
});

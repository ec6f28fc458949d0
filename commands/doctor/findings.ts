/**
 * What can be found, why it matters, and what to do about it. The ids are stable: scripts may rely on
 * them.
 *
 * @module
 */

import type { Judged } from "../../lib/findings.ts";

/** What was seen of one thing. */
export interface Finding extends Judged {
  /** Which thing. */
  readonly id: RuleId;
}

/** What does not depend on what was seen. */
export interface Rule {
  /** What is looked at. */
  readonly title: string;
  /** Why it matters to visitors. */
  readonly why: string;
  /** What to do, by the name of the proxy; `any` for all of them. */
  readonly cures: Readonly<Partial<Record<"any" | "nginx" | "HAProxy" | "Caddy", string>>>;
}

/** The id of a rule. */
export type RuleId = keyof typeof RULES;

const COMPRESSION = {
  nginx: "`gzip off;` in the location of /archive/ (and `brotli off;` where that module is there)",
  HAProxy: "leave application/zip out of `compression type`",
  Caddy: "no `encode` for /archive/*, and `compression off` in the transport of `reverse_proxy`",
};

const ONLY_ARCHIVES = {
  nginx: "pass on `location ^~ /archive/` only, and `return 404;` in `location /`",
  HAProxy: "`http-request return status 404 unless { path_beg /archive/ }`",
  Caddy: "`reverse_proxy` inside `handle /archive/*` only, and `handle { respond 404 }` after it",
};

const PRECONDITIONS = {
  nginx: "no `proxy_cache` for /archive/, and no `proxy_set_header` that empties If-* headers",
  HAProxy: "no `http-request del-header` for If-* headers, and no `http-request cache-use`",
  Caddy: "no `header_up -If-*` in `reverse_proxy`",
};

const HEADERS_OF_ANSWERS = {
  nginx: "no `proxy_hide_header` or `add_header` for it in the location of /archive/",
  HAProxy: "no `http-response del-header` or `set-header` for it",
  Caddy: "no `header_down` or `header` for it",
};

const NO_CACHE = {
  nginx: "`proxy_cache off; proxy_store off;` in the location of /archive/",
  HAProxy: "no `http-request cache-use` for /archive/",
  Caddy: "no cache plugin for /archive/*",
  any: "at a CDN, a rule that never caches /archive/*",
};

/** All rules, in the order in which they are reported. */
export const RULES = {
  reach: {
    title: "Reachable",
    why: "Without a connection nobody gets anything.",
    cures: { any: "check the address, the DNS record, the firewall, and that the proxy runs" },
  },
  tls: {
    title: "TLS",
    why:
      "The link is the only key to the photos. Browsers refuse a certificate they do not trust, " +
      "and without TLS everybody on the way can read the link.",
    cures: {
      nginx:
        "`ssl_certificate` with the whole chain (fullchain.pem), and a reload after each renewal",
      HAProxy:
        "a `crt` file with the certificate, its chain and the key; reload after each renewal",
      Caddy: "the name of the site as the address of the block: Caddy then obtains the certificate",
    },
  },
  redirect: {
    title: "Redirects on the way",
    why: "Each redirect costs a round trip, and some download managers follow few or none.",
    cures: { any: "publish the address at which the redirects end" },
  },
  plain_http: {
    title: "http:// leads to https://",
    why: "Who types or shortens the address gets to http://.",
    cures: {
      nginx: "a second server block for port 80: `return 301 https://$host$request_uri;`",
      HAProxy: "`http-request redirect scheme https code 301 unless { ssl_fc }`",
      Caddy: "leave `auto_https` as it is",
    },
  },
  answer: {
    title: "An archive",
    why: "Visitors see this answer instead of their photos.",
    cures: { any: "compare with the answer of the service itself, asked on its own machine" },
  },
  http_version: {
    title: "HTTP version",
    why:
      "With HTTP/1.0 a cut download may look complete. Without HTTP/2 a browser opens at most six " +
      "connections to a site, and each download takes one.",
    cures: {
      nginx: "`listen 443 ssl http2;`, or `http2 on;` from 1.25.1; `proxy_http_version 1.1;`",
      HAProxy: "`bind :443 ssl … alpn h2,http/1.1`",
      Caddy: "serves HTTP/2 unless `protocols` leaves it out",
    },
  },
  length: {
    title: "Content-Length",
    why: "Without it there is no progress bar, and no download manager can resume.",
    cures: COMPRESSION,
  },
  encoding: {
    title: "No compression on the way",
    why: "Photos do not get smaller, and a compressed archive has neither a length nor ranges.",
    cures: COMPRESSION,
  },
  content_type: {
    title: "Content-Type",
    why: "By it the browser knows that this is a file to be saved, and phones offer to unpack it.",
    cures: HEADERS_OF_ANSWERS,
  },
  disposition: {
    title: "Content-Disposition",
    why: "Without it the file is saved as `download` or with the secret of the link as its name.",
    cures: HEADERS_OF_ANSWERS,
  },
  etag: {
    title: "Strong ETag",
    why:
      "A resumed download has to know that it goes on with the same archive. A weak tag does not " +
      "tell, so browsers start again from the beginning.",
    cures: {
      ...COMPRESSION,
      any: "an archive that has just changed has a weak tag for two seconds: try again; two " +
        "replicas need copies with the same times (rsync -a, cp -a)",
    },
  },
  accept_ranges: {
    title: "Accept-Ranges",
    why: "Some clients do not try to resume without it.",
    cures: { ...HEADERS_OF_ANSWERS, nginx: "no `max_ranges 0;`, no gzip, no `proxy_hide_header`" },
  },
  range: {
    title: "Ranges",
    why:
      "A download that was cut starts again from the beginning, and a video or a large album may " +
      "never arrive over a bad line.",
    cures: {
      nginx: 'no `proxy_set_header Range "";`, no `proxy_cache`, no `max_ranges 0;` for /archive/',
      HAProxy: "no `http-request del-header Range`",
      Caddy: "no `header_up -Range` in `reverse_proxy`",
    },
  },
  range_source: {
    title: "A range costs only the range",
    why: "The proxy takes more from the service than the visitor asked for: to resume at the end " +
      "of a large archive, all of it is read again, and the visitor waits for that.",
    cures: {
      nginx: 'no `proxy_set_header Range "";` with `proxy_force_ranges on;`, no `proxy_cache`, ' +
        "no `slice` for /archive/",
      HAProxy: "no `http-request del-header Range`",
      any: "Varnish: `return (pass);` for /archive/; a CDN: a rule that never caches /archive/*",
    },
  },
  beyond: {
    title: "A range beyond the end",
    why: "416 tells a client that has everything already that nothing is missing.",
    cures: PRECONDITIONS,
  },
  if_range: {
    title: "If-Range",
    why:
      "With it a client resumes only while the archive is the same. If it is lost on the way, parts " +
      "of two different archives are joined into a broken file.",
    cures: PRECONDITIONS,
  },
  if_match: {
    title: "If-Match",
    why: "Firefox resumes with it. If it is lost, parts of two different archives are joined.",
    cures: { ...PRECONDITIONS, any: "Varnish: `return (pass);` for /archive/" },
  },
  if_none_match: {
    title: "If-None-Match",
    why: "A browser that has the archive already need not download it again.",
    cures: PRECONDITIONS,
  },
  concurrent: {
    title: "Four ranges at a time",
    why: "Download managers fetch a file in 4 to 16 parts.",
    cures: {
      nginx: "`limit_conn` of 20 or more, `limit_req` with a burst of 40",
      HAProxy: "`sc_conn_cur(0) gt 20`, and 140 requests in 10 seconds",
      any: "the service's own limit per client, if one is set",
    },
  },
  cache: {
    title: "No cache",
    why:
      "A cache keeps showing photos that were changed or withdrawn, fills its disk, and may answer " +
      "ranges with the whole.",
    cures: NO_CACHE,
  },
  cache_control: {
    title: "Cache-Control",
    why: "`private` and `no-cache` keep the photos out of shared caches, `no-transform` forbids " +
      "compression.",
    cures: {
      ...HEADERS_OF_ANSWERS,
      nginx: "no `expires`, `add_header Cache-Control` or `proxy_hide_header` for /archive/",
    },
  },
  first_byte: {
    title: "First byte",
    why:
      "A proxy that stores the archive before it sends it leaves the visitor without a sign of life.",
    cures: {
      nginx: "no `proxy_store`, and `proxy_max_temp_file_size 0;`",
      any: "a scanner of content, or a CDN, has to let /archive/ through as a stream; a first " +
        "download also waits for `--settle`",
    },
  },
  pace: {
    title: "The pace follows the client's",
    why:
      "A proxy that runs far ahead of a slow visitor fills its disk with a copy for each of them, " +
      "and the service works for visitors who left long ago.",
    cures: {
      nginx: "`proxy_max_temp_file_size 0;`, and no `proxy_ignore_headers X-Accel-Buffering`",
      HAProxy: "keep `option abortonclose`, and no huge `tune.bufsize`",
      Caddy: "no `response_buffers` (`buffer_responses` before 2.6.3) in `reverse_proxy`",
    },
  },
  head: {
    title: "HEAD",
    why: "Download managers and chat programs ask with HEAD how large the archive is.",
    cures: {
      nginx: "no `limit_except GET`, and no `proxy_method`",
      HAProxy: "no rule that denies METH_HEAD",
      Caddy: "no `method` matcher without HEAD",
    },
  },
  preview: {
    title: "Link previews",
    why:
      "Chat programs fetch each link that is sent, with names of their own. A refusal is no harm; " +
      "`X-Robots-Tag: noindex` keeps the link out of search engines.",
    cures: HEADERS_OF_ANSWERS,
  },
  slash: {
    title: "The link without its last slash",
    why: "Mail and chat programs drop it. The service redirects to the right link.",
    cures: {
      nginx: "no `proxy_redirect` that changes the path, and `proxy_pass` without a path",
      HAProxy: "no `http-response replace-header Location`",
      Caddy: "no `uri strip_suffix /`",
    },
  },
  closed_page: {
    title: "The page at /",
    why: "It may list all archives, and each link in it is a key.",
    cures: { ...ONLY_ARCHIVES, any: "`--listing off` never shows the list" },
  },
  closed_metrics: {
    title: "/metrics",
    why: "Figures of the service are for its operator.",
    cures: ONLY_ARCHIVES,
  },
  closed_readyz: {
    title: "/readyz",
    why: "It tells strangers when the service is overloaded.",
    cures: ONLY_ARCHIVES,
  },
  closed_healthz: {
    title: "/healthz",
    why: "It is for whoever runs the service.",
    cures: ONLY_ARCHIVES,
  },
} as const satisfies Readonly<Record<string, Rule>>;

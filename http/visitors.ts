/**
 * Who asks for an archive: a person in a browser, a messenger that makes a preview, or a program that
 * wants the bytes. Pure.
 *
 * @module
 */

/**
 * Programs that fetch a link only to show what it leads to, as they call themselves. Signal and
 * LINE, KakaoTalk and iMessage go by the names of WhatsApp and Facebook. docs/links.md has them all.
 *
 * A browser inside of a messenger has another name: a person in it can download.
 *
 * @see {@link https://github.com/monperrus/crawler-user-agents} which gathers them
 */
const PREVIEW_BOTS = new RegExp(
  [
    ...["TelegramBot", "^WhatsApp", "^Viber$", "facebookexternalhit", "facebookcatalog", "Facebot"],
    ...["meta-externalfetcher", "Meta-ExternalHit", "Twitterbot", "Slackbot", "Slack-ImgProxy"],
    ...["Discordbot", "LinkedInBot", "SkypeUriPreview", "vkShare", "VKRobot", "OdklBot"],
    ...["Mail\\.RU_Bot", "Mattermost-Bot", "Rocket\\.Chat", "^Synapse", "redditbot"],
    ...["Pinterest(?:bot)?/\\d.*\\+https?://www\\.pinterest\\.com/bot", "Iframely", "Embedly"],
    ...["Snap URL Preview", "SnapURLPreview", "BlueskyPreviewBot", "Bluesky Cardyb"],
    ...["(?:^|\\()Mastodon/", "SummalyBot", "Google-PageRenderer", "^Notion/"],
  ].join("|"),
  "i",
);

/**
 * Java's `HttpURLConnection` asks for HTML unless it is told otherwise, whatever it wants.
 *
 * @see {@link https://github.com/openjdk/jdk/blob/012dffcd27a9356bda996b99db02398afaf9d766/src/java.base/share/classes/sun/net/www/protocol/http/HttpURLConnection.java}
 * `acceptString` there
 */
const ASKS_FOR_HTML_IN_VAIN = /^Java\//;

/** True for a program that only makes a preview of a link. */
export function isPreviewBot({ headers }: Request): boolean {
  return PREVIEW_BOTS.test(headers.get("user-agent") ?? "");
}

/**
 * True for a browser that goes to an address to show what is there: its request is for a document
 * (Fetch Metadata), or it asks for HTML and is too old to say. A download that goes on, or that a
 * browser hands over to a download manager, is none.
 *
 * @see {@link https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header}
 */
export function isNavigation(request: Request): boolean {
  if (request.headers.has("range")) return false;
  const destination = request.headers.get("sec-fetch-dest");
  return destination === null ? asksForHtml(request) : destination === "document";
}

/** True for a program that names HTML among what it wants, and means it. */
export function asksForHtml({ headers }: Request): boolean {
  if (ASKS_FOR_HTML_IN_VAIN.test(headers.get("user-agent") ?? "")) return false;
  return acceptsHtml(headers.get("accept") ?? "");
}

/** True if `text/html` is named, and not as what is unwanted (RFC 9110 section 12.5.1). */
function acceptsHtml(accept: string) {
  return accept.split(",").some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    return type === "text/html" && !parameters.some((part) => /^q=0(?:\.0*)?$/.test(part));
  });
}

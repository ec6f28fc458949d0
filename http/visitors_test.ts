import assert from "node:assert/strict";
import { isNavigation, isPreviewBot } from "./visitors.ts";

/** As they were seen by others: see docs/links.md */
const BOTS = [
  "TelegramBot (like TwitterBot)",
  "WhatsApp/2.23.18.78 i",
  "WhatsApp/2.23.20.0 A",
  "WhatsApp/2",
  "WhatsApp",
  "Viber",
  "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
  "facebookexternalhit/1.1",
  "facebookcatalog/1.0",
  "meta-externalfetcher/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
  "Mozilla/5.0 (compatible; Meta-ExternalHit/1.1; +http://www.facebook.com/externalhit_uatext.php)",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) " +
  "Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
  "facebookexternalhit/1.1;line-poker/1.0",
  "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/",
  "Twitterbot/1.0",
  "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
  "Slackbot 1.0 (+https://api.slack.com/robots)",
  "Slack-ImgProxy (+https://api.slack.com/robots)",
  "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
  "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
  "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
  "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
  "Mozilla/5.0 (compatible; VKRobot/1.0)",
  "Mozilla/5.0 (compatible; OdklBot/1.0 like Linux; klass@odnoklassniki.ru)",
  "OdklBot/1.0 (share@odnoklassniki.ru)",
  "Mozilla/5.0 (compatible; Linux x86_64; Mail.RU_Bot/2.0; +http://go.mail.ru/help/robots)",
  "Mattermost-Bot/1.1",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/41.0.2227.0 " +
  "Safari/537.36 Rocket.Chat/6.5.0",
  "Synapse (bot; +https://github.com/matrix-org/synapse)",
  "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
  "Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
  "Iframely/1.3.1 (+https://iframely.com/docs/about) Atlassian",
  "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
  "SnapURLPreview/1.0",
  "Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots",
  "BlueskyPreviewBot/1.0",
  "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
  "Mastodon/4.3.1 (http.rb/5.2.0; +https://social.example/)",
  "SummalyBot/5.0.2",
  "http.rb/2.2.2 (Mastodon/1.5.1; +https://example-masto-instance.org/)",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/56.0.2924.87 " +
  "Safari/537.36 Google-PageRenderer Google (+https://developers.google.com/+/web/snippet/)",
  "Notion/1.0 (https://notion.so; team@makenotion.com)",
];

const PEOPLE = [
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
  "Version/18.1 Mobile/15E148 Safari/604.1",
  // Inside of apps: Facebook, Instagram, VK, Telegram on Android, Viber, Pinterest
  "Mozilla/5.0 (Linux; Android 16; Pixel 10 Pro XL Build/CP1A.260305.018; wv) AppleWebKit/537.36 " +
  "(KHTML, like Gecko) Version/4.0 Chrome/146.0.7680.174 Mobile Safari/537.36 MetaIAB Facebook",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
  "Mobile/15E148 [FBAN/FBIOS;FBAV/440.0.0.27.105;FBBV/540000000;FBDV/iPhone14,2]",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Instagram 312.0.0.20.106",
  "Mozilla/5.0 (Linux; Android 13; SM-A536B) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36 VKAndroidApp/8.50",
  "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36 Telegram-Android/10.5",
  "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36 Viber/20.5",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 [Pinterest/iOS]",
  "curl/8.5.0",
  "Wget/1.21.3",
  "aria2/1.36.0",
  "Java/17.0.13",
  "",
];

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
const JAVA = "text/html, image/gif, image/jpeg, */*; q=0.2";

function ask(headers: Record<string, string>): Request {
  return new Request("http://localhost/archive/x/", { headers });
}

Deno.test("isPreviewBot() knows messengers, and takes nobody else for one", () => {
  for (const name of BOTS) assert.ok(isPreviewBot(ask({ "user-agent": name })), name);
  for (const name of PEOPLE) assert.ok(!isPreviewBot(ask({ "user-agent": name })), name);
  assert.ok(!isPreviewBot(ask({})));
});

Deno.test("isNavigation() is a browser that goes there, and no program that wants the bytes", () => {
  const cases: [Record<string, string>, boolean][] = [
    [{ "sec-fetch-dest": "document", accept: BROWSER }, true],
    [{ "sec-fetch-dest": "document", accept: BROWSER, range: "bytes=5-" }, false],
    [{ "sec-fetch-dest": "empty", accept: BROWSER }, false],
    [{ "sec-fetch-dest": "iframe", accept: BROWSER }, false],
    [{ accept: BROWSER }, true],
    [{ accept: "text/html" }, true],
    [{ accept: "TEXT/HTML;q=0.3" }, true],
    [{ accept: "text/html;q=0, */*" }, false],
    [{ accept: "text/html", range: "bytes=0-" }, false],
    [{ accept: "*/*" }, false],
    [{ accept: "text/*" }, false],
    [{ accept: "application/zip" }, false],
    [{ accept: JAVA, "user-agent": "Java/17.0.13" }, false],
    [{}, false],
  ];
  for (const [headers, expected] of cases) {
    assert.equal(isNavigation(ask(headers)), expected, JSON.stringify(headers));
  }
});

<?php
// Receives the events of zipferry's --webhook: docs/operate.md, section Receipts.
// Put it where your site runs PHP, with the key of --webhook-secret-file in ZIPFERRY_WEBHOOK_SECRET.

/** The event, or null if it was not signed with the secret within the last five minutes. */
function verified_event(string $body, string $signature, string $secret): ?array
{
    if (!preg_match('/^t=(\d{1,12}),v1=([0-9a-f]{64})$/', $signature, $parts)) return null;
    [, $time, $digest] = $parts;
    if (abs(time() - (int) $time) > 300) return null;
    if (!hash_equals(hash_hmac('sha256', "$time.$body", $secret), $digest)) return null;
    return json_decode($body, true);
}

$secret = (string) getenv('ZIPFERRY_WEBHOOK_SECRET');
$body = (string) file_get_contents('php://input');
$event = $secret === '' ? null
    : verified_event($body, $_SERVER['HTTP_ZIPFERRY_SIGNATURE'] ?? '', $secret);
if ($event === null) {
    http_response_code(403);
    exit;
}

// Here your site does what it wants to. Of a choice of files or a part, 'whole' is false. An event may
// come twice, with the same id. A slow answer only delays the next event.
if ($event['type'] === 'download.delivered' && $event['archive']['whole']) {
    $line = "{$event['time']} {$event['id']} {$event['archive']['hash']} delivered\n";
    file_put_contents(getenv('DELIVERIES') ?: 'deliveries.log', $line, FILE_APPEND | LOCK_EX);
}
http_response_code(204);

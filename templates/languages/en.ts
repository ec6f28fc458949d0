/**
 * The words of the pages in English.
 *
 * @module
 */

import type { Messages } from "../messages.ts";

/** English. */
export const en: Messages = {
  list: {
    title: "Photo archives",
    lead: "Every link downloads one folder as a ZIP file.",
  },
  emptyList: {
    title: "No archives yet",
    lead: "The service is running, but there is nothing to download yet.",
    hint: "Put a folder of photos into the photos folder and reload this page: " +
      "if its name consists of Latin letters, digits, - and _, it becomes part of the link.",
  },
  hiddenList: {
    title: "Photo downloads",
    lead: "This service sends folders of photos as ZIP files.",
    hint: "To download yours, open the complete link that you were given.",
  },
  unsettled: {
    title: "Photos are still being added",
    lead: "The download will be ready once all photos have arrived.",
    hint: "This page reloads by itself.",
  },
  full: {
    server: {
      title: "Many downloads at the moment",
      lead: "The server is sending as many archives as it can.",
      hint: "Your download starts here as soon as there is room: leave this page open.",
    },
    client: {
      title: "Too many downloads at once",
      lead: "Your network address has as many downloads under way as it may have.",
      hint: "This one starts here when another has finished: leave this page open.",
    },
  },
  query: {
    title: "There is a mistake in this link",
    name: "The link says “{parameter}”, and there is no such thing: “{known}” is probably meant.",
    value: "The link says “{parameter}={value}”, which is not allowed.",
    needs: "The link says “{parameter}”, which means nothing without “{known}”.",
    excludes: "The link says both “{known}” and “{parameter}”, which cannot go together.",
    hint: "Correct the link and open it again, or ask the person who gave it to you.",
    allowed: {
      page: "Nothing may stand after “page”.",
      download: "Nothing may stand after “download”.",
      file: "It takes the name of a file or folder, at most 1,000 times.",
      part: "It takes one whole number from 1 to 1000000.",
      size: "It takes one size, such as 500M or 2G.",
      expires: "It takes one time, in seconds since 1970.",
      signature: "It may be there once.",
      selection: "It takes one choice of files as the page made it.",
    },
  },
  over: {
    title: "This download has ended",
    lead: "The photos were available for a limited time, which is over.",
    hint: "Ask the person who gave you the link whether it can be extended.",
  },
  notYet: {
    title: "Not available yet",
    lead: "These photos can be downloaded later.",
    hint: "The person who gave you the link knows from when on.",
  },
  ownerMustAct: {
    title: "These photos need their owner",
    lead: "A name or a permission in this folder keeps the server from sending it.",
    hint: "Trying again will not help. Please tell the person who gave you the link: " +
      "the log of the server says what has to be changed.",
  },
  onlyUnreachable: {
    title: "No archives yet",
    lead: "The service is running, but no folder has a link yet.",
  },
  owner: {
    question: "Is this your service?",
    answer: "The list of archives is shown only to a browser on the machine that runs the " +
      "service. If it runs in a container or on a server without a browser, start it with " +
      "`--listing on`, but only where no stranger can open this page.",
  },
  unreachable: {
    title: "Folders without a link",
    lead: "A link can contain only Latin letters, digits, - and _, " +
      "so these folders cannot be downloaded:",
    how: "To give one a link, run this command on the server, with the same `--folder` as the " +
      "service. It renames the folder: 32 random letters and digits become its name.",
    more: "and {count} more",
  },
  problems: {
    empty: "Nothing to download: the folder is empty, or the service is not allowed to read it.",
    names: "Cannot be downloaded: the names of some files are not UTF-8. The log names them.",
    changing: "Files are being added right now. Reload the page in a moment.",
    slow: "Could not be listed in time. Reload the page in a moment.",
    label: "closed: the end in its label cannot be read",
    other: "Cannot be listed. The log says why.",
  },
  tools: {
    search: "Search",
    sort: "Order",
    orders: {
      newest: "newest first",
      title: "by title",
      size: "largest first",
      expires: "ending first",
    },
    nothing: "Nothing found for “{words}”.",
    copy: "Copy link",
    copied: "Copied",
    page: "Page",
    until: "until {date}",
    ended: "ended {date}",
    from: "from {date}",
    delivered: "downloaded {date}",
    counting: "counting…",
    signIn: "Sign in with the admin token",
  },
  paging: {
    label: "Pages",
    previous: "Previous",
    next: "Next",
    range: "{first}–{last} of {total}",
  },
  errors: {
    400: {
      title: "Request not understood",
      lead: "The server could not make sense of this request.",
      hint: "Check the link for missing or extra characters and open it again.",
    },
    401: {
      title: "For the owner only",
      lead: "This address asks for the admin token, and it was not given or not the right one.",
      hint: "To download photos, open the link that you were given, as it was.",
    },
    404: {
      title: "No such archive",
      lead: "There is no archive at this address.",
      hint: "The link may be mistyped, or it may have been withdrawn. " +
        "Check it, or ask the person who gave it to you for a new one.",
    },
    405: {
      title: "Downloads only",
      lead: "You can download archives from this address, but you cannot send anything to it.",
      hint: "Open the link in a browser.",
    },
    408: {
      title: "The choice did not arrive",
      lead: "The list of chosen files took too long to reach the server.",
      hint: "Go back and try again, over a better connection or with whole folders instead of " +
        "single files.",
    },
    413: {
      title: "Too much chosen",
      lead: "This choice of files is too long for one link.",
      hint: "Choose whole folders instead of single files, or fewer files at a time.",
    },
    416: {
      title: "Past the end",
      lead: "The download asked for a part that the archive does not have.",
      hint: "Delete the unfinished file and open the link again.",
    },
    429: {
      title: "Too many at once",
      lead: "There are too many downloads or requests from your address.",
      hint: "Wait until one of your downloads has finished, or try again in a minute.",
    },
    500: {
      title: "Something went wrong",
      lead: "The server could not prepare an answer.",
      hint: "Try again later. If it keeps failing, tell the person who gave you the link.",
    },
    502: {
      title: "Not available right now",
      lead: "The service that sends the photos does not answer.",
      hint:
        "It may be restarting. Try again in a minute. An interrupted download can continue then.",
    },
    503: {
      title: "Busy at the moment",
      lead: "The service cannot handle your request right now.",
      hint: "Try again in a minute.",
    },
    504: {
      title: "This takes too long",
      lead: "The photos could not be read in time.",
      hint: "Try again in a minute. If it keeps failing, tell the person who gave you the link.",
    },
  },
  files: { one: "file", other: "files" },
  updated: "updated",
  bytes: { one: "byte", other: "bytes" },
  archive: {
    untitled: "Your photos",
    download: "Download all",
    until: "available until {date}",
    exact: "ZIP file",
    contents: "Choose files",
    chooseHint: "Tick what you want, and download only that.",
    wholeFolder: "the whole folder {name}",
    downloadChosen: "Download selected",
    chooseAll: "Select all",
    chooseNone: "Clear",
    parts: "In parts",
    partsLead:
      "For a USB stick, a phone or a connection that breaks: every part is a ZIP file that " +
      "opens by itself.",
    part: "Part {number}",
    open: "Open the page of the archive",
  },
  missing: {
    title: "Some files are not there",
    lead: "The link asks for files that are not in this archive:",
    hint: "They may have been renamed or removed. Open the page of the archive and choose again.",
  },
  missingPart: {
    title: "No such part",
    lead: "The link asks for part {number}; the parts of this archive are {count} in number.",
    hint:
      "Photos may have been added or removed. Open the page of the archive, or ask the person " +
      "who gave you the link.",
  },
  staleChoice: {
    title: "The photos have changed",
    lead: "Since you made this choice, files have been added to the archive or removed from it.",
    hint: "Open the page of the archive and choose again.",
  },
  nothingChosen: {
    title: "Nothing is selected",
    lead: "None of the files was ticked, so there is nothing to download.",
    hint: "Tick what you want on the page of the archive. The whole archive has a button of " +
      "its own there.",
  },
};

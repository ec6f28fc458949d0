/**
 * The words of the pages in German.
 *
 * @module
 */

import type { Messages } from "../messages.ts";

/** German. */
export const de: Messages = {
  list: {
    title: "Fotoarchive",
    lead: "Jeder Link lädt einen Ordner als ZIP-Datei herunter.",
  },
  emptyList: {
    title: "Noch keine Archive",
    lead: "Der Dienst läuft, aber es gibt noch nichts herunterzuladen.",
    hint: "Legen Sie einen Ordner mit Fotos in den Fotoordner und laden Sie die Seite neu: " +
      "Besteht sein Name aus lateinischen Buchstaben, Ziffern, - und _, wird er Teil des Links.",
  },
  hiddenList: {
    title: "Fotos herunterladen",
    lead: "Dieser Dienst verschickt Fotoordner als ZIP-Dateien.",
    hint: "Öffnen Sie zum Herunterladen den vollständigen Link, den Sie bekommen haben.",
  },
  unsettled: {
    title: "Es kommen noch Fotos dazu",
    lead: "Der Download steht bereit, sobald alle Fotos da sind.",
    hint: "Diese Seite lädt sich von selbst neu.",
  },
  full: {
    server: {
      title: "Gerade viele Downloads",
      lead: "Der Server verschickt so viele Archive, wie er kann.",
      hint: "Ihr Download beginnt hier, sobald Platz ist: Lassen Sie diese Seite offen.",
    },
    client: {
      title: "Zu viele Downloads auf einmal",
      lead: "Von Ihrer Netzwerkadresse laufen schon so viele Downloads, wie erlaubt sind.",
      hint: "Dieser beginnt hier, wenn ein anderer fertig ist: Lassen Sie diese Seite offen.",
    },
  },
  query: {
    title: "In diesem Link ist ein Fehler",
    name: "Im Link steht „{parameter}“, das gibt es nicht: Wahrscheinlich ist „{known}“ gemeint.",
    value: "Im Link steht „{parameter}={value}“, das ist nicht erlaubt.",
    needs: "Im Link steht „{parameter}“, das bedeutet ohne „{known}“ nichts.",
    excludes: "Im Link stehen „{known}“ und „{parameter}“, beides zusammen geht nicht.",
    hint:
      "Berichtigen Sie den Link und öffnen Sie ihn noch einmal, oder fragen Sie die Person, von " +
      "der er kam.",
    allowed: {
      page: "Nach „page“ darf nichts stehen.",
      download: "Nach „download“ darf nichts stehen.",
      file: "Erwartet wird der Name einer Datei oder eines Ordners, höchstens 1.000-mal.",
      part: "Erwartet wird eine ganze Zahl von 1 bis 1000000.",
      size: "Erwartet wird eine Größe wie 500M oder 2G.",
      expires: "Erwartet wird eine Zeit in Sekunden seit 1970.",
      signature: "Sie darf einmal vorkommen.",
      selection: "Erwartet wird eine Auswahl, wie die Seite sie gemacht hat.",
    },
  },
  over: {
    title: "Dieser Download ist beendet",
    lead: "Die Fotos standen für begrenzte Zeit bereit, und die ist vorbei.",
    hint: "Fragen Sie die Person, die Ihnen den Link gegeben hat, ob sie ihn verlängern kann.",
  },
  notYet: {
    title: "Noch nicht verfügbar",
    lead: "Diese Fotos können später heruntergeladen werden.",
    hint: "Ab wann, weiß die Person, die Ihnen den Link gegeben hat.",
  },
  ownerMustAct: {
    title: "Hier muss der Besitzer ran",
    lead: "Ein Name oder eine Berechtigung in diesem Ordner hindert den Server am Verschicken.",
    hint:
      "Ein neuer Versuch hilft nicht. Bitte sagen Sie der Person Bescheid, die Ihnen den Link " +
      "gegeben hat: Im Protokoll des Servers steht, was zu ändern ist.",
  },
  onlyUnreachable: {
    title: "Noch keine Archive",
    lead: "Der Dienst läuft, aber noch hat kein Ordner einen Link.",
  },
  owner: {
    question: "Ist das Ihr Dienst?",
    answer: "Die Liste der Archive sieht nur ein Browser auf dem Rechner, auf dem der Dienst " +
      "läuft. Läuft er in einem Container oder auf einem Server ohne Browser, starten Sie ihn mit " +
      "`--listing on`, aber nur dort, wo kein Fremder diese Seite öffnen kann.",
  },
  unreachable: {
    title: "Ordner ohne Link",
    lead: "Ein Link kann nur lateinische Buchstaben, Ziffern, - und _ enthalten, " +
      "deshalb lassen sich diese Ordner nicht herunterladen:",
    how: "Damit einer einen Link bekommt, führen Sie auf dem Server diesen Befehl aus, mit " +
      "demselben `--folder` wie der Dienst. Der Ordner wird umbenannt: 32 zufällige Buchstaben " +
      "und Ziffern werden sein Name.",
    more: "und {count} weitere",
  },
  problems: {
    empty: "Nichts herunterzuladen: Der Ordner ist leer, oder der Dienst darf ihn nicht lesen.",
    names:
      "Kann nicht heruntergeladen werden: Namen einiger Dateien sind nicht UTF-8. Sie stehen im " +
      "Protokoll.",
    changing: "Gerade kommen Dateien dazu. Laden Sie die Seite gleich noch einmal.",
    slow: "Konnte nicht rechtzeitig gelesen werden. Laden Sie die Seite gleich noch einmal.",
    label: "geschlossen: Das Ende in seinem Label ist nicht zu lesen",
    other: "Kann nicht gelesen werden. Der Grund steht im Protokoll.",
  },
  tools: {
    search: "Suchen",
    sort: "Reihenfolge",
    orders: {
      newest: "neueste zuerst",
      title: "nach Titel",
      size: "größte zuerst",
      expires: "bald endende zuerst",
    },
    nothing: "Nichts gefunden für „{words}“.",
    copy: "Link kopieren",
    copied: "Kopiert",
    page: "Seite",
    until: "bis {date}",
    ended: "abgelaufen am {date}",
    from: "ab {date}",
    delivered: "heruntergeladen am {date}",
    counting: "wird gezählt …",
    signIn: "Mit dem Admin-Token anmelden",
  },
  paging: {
    label: "Seiten",
    previous: "Zurück",
    next: "Weiter",
    range: "{first}–{last} von {total}",
  },
  errors: {
    400: {
      title: "Anfrage nicht verstanden",
      lead: "Der Server konnte mit dieser Anfrage nichts anfangen.",
      hint: "Prüfen Sie, ob im Link Zeichen fehlen oder zu viel sind, und öffnen Sie ihn noch " +
        "einmal.",
    },
    401: {
      title: "Nur für den Besitzer",
      lead: "Diese Adresse verlangt das Admin-Token; es fehlt oder ist falsch.",
      hint: "Um Fotos herunterzuladen, öffnen Sie den Link so, wie Sie ihn bekommen haben.",
    },
    404: {
      title: "Kein solches Archiv",
      lead: "Unter dieser Adresse gibt es kein Archiv.",
      hint: "Vielleicht ist der Link falsch abgeschrieben oder wurde zurückgezogen. Prüfen Sie " +
        "ihn, oder bitten Sie die Person, von der er kam, um einen neuen.",
    },
    405: {
      title: "Nur herunterladen",
      lead: "Von dieser Adresse können Sie Archive herunterladen, aber nichts an sie senden.",
      hint: "Öffnen Sie den Link in einem Browser.",
    },
    408: {
      title: "Die Auswahl kam nicht an",
      lead: "Die Liste der ausgewählten Dateien hat zu lange gebraucht.",
      hint: "Gehen Sie zurück und versuchen Sie es noch einmal, mit einer besseren Verbindung " +
        "oder mit ganzen Ordnern statt einzelner Dateien.",
    },
    413: {
      title: "Zu viel ausgewählt",
      lead: "Diese Auswahl ist zu lang für einen Link.",
      hint: "Wählen Sie ganze Ordner statt einzelner Dateien, oder weniger Dateien auf einmal.",
    },
    416: {
      title: "Hinter dem Ende",
      lead: "Der Download wollte einen Teil, den das Archiv nicht hat.",
      hint: "Löschen Sie die unfertige Datei und öffnen Sie den Link noch einmal.",
    },
    429: {
      title: "Zu viel auf einmal",
      lead: "Von Ihrer Adresse kommen zu viele Downloads oder Anfragen.",
      hint: "Warten Sie, bis einer Ihrer Downloads fertig ist, oder versuchen Sie es in einer " +
        "Minute noch einmal.",
    },
    500: {
      title: "Etwas ist schiefgegangen",
      lead: "Der Server konnte keine Antwort vorbereiten.",
      hint:
        "Versuchen Sie es später noch einmal. Hilft das nicht, sagen Sie der Person Bescheid, " +
        "die Ihnen den Link gegeben hat.",
    },
    502: {
      title: "Gerade nicht erreichbar",
      lead: "Der Dienst, der die Fotos verschickt, antwortet nicht.",
      hint: "Vielleicht startet er gerade neu. Versuchen Sie es in einer Minute noch einmal. Ein " +
        "unterbrochener Download kann dann weitergehen.",
    },
    503: {
      title: "Gerade beschäftigt",
      lead: "Der Dienst kann Ihre Anfrage im Augenblick nicht bearbeiten.",
      hint: "Versuchen Sie es in einer Minute noch einmal.",
    },
    504: {
      title: "Das dauert zu lange",
      lead: "Die Fotos konnten nicht rechtzeitig gelesen werden.",
      hint: "Versuchen Sie es in einer Minute noch einmal. Hilft das nicht, sagen Sie der Person " +
        "Bescheid, die Ihnen den Link gegeben hat.",
    },
  },
  files: { one: "Datei", other: "Dateien" },
  updated: "geändert am",
  bytes: { one: "Byte", other: "Bytes" },
  archive: {
    untitled: "Ihre Fotos",
    download: "Alles herunterladen",
    until: "verfügbar bis {date}",
    exact: "ZIP-Datei",
    contents: "Dateien auswählen",
    chooseHint: "Haken Sie an, was Sie möchten, und laden Sie nur das herunter.",
    wholeFolder: "der ganze Ordner {name}",
    downloadChosen: "Auswahl herunterladen",
    chooseAll: "Alles auswählen",
    chooseNone: "Leeren",
    parts: "In Teilen",
    partsLead: "Für einen USB-Stick, ein Telefon oder eine Verbindung, die abbricht: Jeder Teil " +
      "ist eine ZIP-Datei, die sich allein öffnen lässt.",
    part: "Teil {number}",
    open: "Zur Seite des Archivs",
  },
  missing: {
    title: "Einige Dateien fehlen",
    lead: "Der Link verlangt Dateien, die nicht in diesem Archiv sind:",
    hint: "Vielleicht wurden sie umbenannt oder entfernt. Öffnen Sie die Seite des Archivs und " +
      "wählen Sie neu.",
  },
  missingPart: {
    title: "Diesen Teil gibt es nicht",
    lead: "Der Link verlangt Teil {number}; die Zahl der Teile dieses Archivs ist {count}.",
    hint: "Vielleicht wurden Fotos hinzugefügt oder entfernt. Öffnen Sie die Seite des Archivs, " +
      "oder fragen Sie die Person, von der Sie den Link haben.",
  },
  staleChoice: {
    title: "Die Fotos haben sich geändert",
    lead: "Seit dieser Auswahl wurden dem Archiv Dateien hinzugefügt oder entnommen.",
    hint: "Öffnen Sie die Seite des Archivs und wählen Sie neu.",
  },
  nothingChosen: {
    title: "Nichts ausgewählt",
    lead: "Keine Datei ist angehakt, also gibt es nichts herunterzuladen.",
    hint: "Haken Sie auf der Seite des Archivs an, was Sie möchten. Für das ganze Archiv gibt " +
      "es dort einen eigenen Knopf.",
  },
};

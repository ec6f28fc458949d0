/**
 * The words of the pages, in each language. Plain text: `mod.ts` turns it into HTML.
 *
 * @module
 */

/** Language of a page. */
export type Language = "en" | "ru";

/** Heading and sentences of a page. */
export interface PageText {
  /** Heading of the page, and title of the window. */
  readonly title: string;
  /** What the page is about. */
  readonly lead: string;
  /** What the visitor can do. */
  readonly hint?: string;
}

/** Forms of a noun after a number, by category of `Intl.PluralRules`. */
export type PluralForms =
  & Partial<Readonly<Record<Intl.LDMLPluralRule, string>>>
  & { readonly other: string };

/** What is said of folders that no link reaches. */
export interface UnreachableText {
  /** Heading. */
  readonly title: string;
  /** Why nobody can download them. */
  readonly lead: string;
  /** What stands before the command that gives a folder a link; code between backticks. */
  readonly how: string;
  /** What stands after the names if there are more; `{count}` is their number. */
  readonly more: string;
}

/** What a visitor who may not see the list can open, in case it is the owner. */
export interface OwnerText {
  /** What is always shown. */
  readonly question: string;
  /** What is shown when it is opened; code between backticks. */
  readonly answer: string;
}

/** Words around the links to other pages of the list. */
export interface PagingText {
  /** What the links are, for screen readers. */
  readonly label: string;
  /** The link to newer archives. */
  readonly previous: string;
  /** The link to older archives. */
  readonly next: string;
  /** Which archives of how many: `{first}`, `{last}`, `{total}`. */
  readonly range: string;
}

/** What is wrong with the query of a link: see `QueryProblem` in `http/query.ts`. */
export interface QueryMistake {
  /** Which sentence tells it. */
  readonly kind: "name" | "value" | "needs" | "excludes";
  /** The parameter as it was given. */
  readonly parameter: string;
  /** Its value, where that is what is wrong. */
  readonly value?: string;
  /** The parameter that is meant, has such values, is needed or is in the way. */
  readonly known: string;
}

/** Words for a link whose query cannot be meant so: `{parameter}`, `{value}` and `{known}`. */
export interface QueryText extends Readonly<Record<QueryMistake["kind"], string>> {
  /** Heading of the page. */
  readonly title: string;
  /** What the visitor can do. */
  readonly hint: string;
  /** Which values a parameter may have; follows the sentence for `value`. */
  readonly allowed: Readonly<Record<string, string>>;
}

/** Why a folder in the list has no link. */
export type Problem = "empty" | "names" | "changing" | "slow" | "other";

/** All words of the pages in one language. */
export interface Messages {
  /** `/` with a list of archives. */
  readonly list: PageText;
  /** `/` when there are no archives. */
  readonly emptyList: PageText;
  /** `/` for a visitor who may not see the list. */
  readonly hiddenList: PageText;
  /** An archive to which photos are still being added. */
  readonly unsettled: PageText;
  /** For a download beyond what there may be at a time: of the service, or of one client. */
  readonly full: Readonly<Record<"server" | "client", PageText>>;
  /** For a link whose query cannot be meant so. */
  readonly query: QueryText;
  /** For an archive whose time is over. */
  readonly over: PageText;
  /** For an archive whose time is yet to come. */
  readonly notYet: PageText;
  /** For an archive that cannot be made until the owner of the photos puts something right. */
  readonly ownerMustAct: PageText;
  /** `/` when the only folders are such that no link reaches. */
  readonly onlyUnreachable: PageText;
  /** On `/` for a visitor who may not see the list, unless nobody may. */
  readonly owner: OwnerText;
  /** Folders that no link reaches. */
  readonly unreachable: UnreachableText;
  /** In the place of an archive's size. */
  readonly problems: Readonly<Record<Problem, string>>;
  /** The list's other pages. */
  readonly paging: PagingText;
  /** Pages of errors, by status. */
  readonly errors: Readonly<Record<ErrorStatus, PageText>>;
  /** "file" after a number. */
  readonly files: PluralForms;
  /** The word before the date of an archive's newest file. */
  readonly updated: string;
  /** Units of size, each a thousand times the previous one. */
  readonly byteUnits: readonly string[];
}

/** Statuses that have a page of their own. */
export type ErrorStatus = 400 | 404 | 405 | 429 | 500 | 502 | 503 | 504;

/** The words in every language. */
export const messages: Readonly<Record<Language, Messages>> = {
  en: {
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
      other: "Cannot be listed. The log says why.",
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
    byteUnits: ["B", "kB", "MB", "GB", "TB"],
  },
  ru: {
    list: {
      title: "Архивы фотографий",
      lead: "По каждой ссылке папка скачивается одним ZIP-файлом.",
    },
    emptyList: {
      title: "Архивов пока нет",
      lead: "Сервис работает, но скачивать пока нечего.",
      hint: "Положите папку со снимками в папку с фотографиями и обновите страницу: " +
        "если её имя состоит из латинских букв, цифр, - и _, оно станет частью ссылки.",
    },
    hiddenList: {
      title: "Скачивание фотографий",
      lead: "Этот сервис отдаёт папки с фотографиями в виде ZIP-файлов.",
      hint: "Чтобы скачать свою, откройте полученную ссылку целиком.",
    },
    unsettled: {
      title: "Фотографии ещё загружаются",
      lead: "Скачать архив можно будет, когда загрузятся все фотографии.",
      hint: "Страница обновится сама.",
    },
    full: {
      server: {
        title: "Сейчас много скачиваний",
        lead: "Сервер отдаёт столько архивов, сколько может.",
        hint: "Не закрывайте страницу: скачивание начнётся, как только освободится место.",
      },
      client: {
        title: "Слишком много скачиваний сразу",
        lead: "С вашего сетевого адреса уже идёт столько скачиваний, сколько разрешено.",
        hint: "Не закрывайте страницу: это скачивание начнётся, когда закончится одно из них.",
      },
    },
    query: {
      title: "В ссылке ошибка",
      name:
        "В ссылке стоит «{parameter}», такого параметра нет: вероятно, имелся в виду «{known}».",
      value: "В ссылке стоит «{parameter}={value}», такое значение недопустимо.",
      needs: "В ссылке стоит «{parameter}», без «{known}» это ничего не значит.",
      excludes: "В ссылке стоят и «{known}», и «{parameter}», вместе они не имеют смысла.",
      hint: "Исправьте ссылку и откройте её снова или обратитесь к тому, кто её дал.",
      allowed: {
        page: "После «page» ничего не должно стоять.",
        download: "После «download» ничего не должно стоять.",
        file: "Нужно имя файла или папки, не больше 1000 раз.",
        part: "Нужно одно целое число от 1 до 1000000.",
        size: "Нужен один размер, например 500M или 2G.",
        expires: "Нужно одно время в секундах с 1970 года.",
        signature: "Подпись может быть только одна.",
        selection: "Нужен один выбор файлов, сделанный на странице.",
      },
    },
    over: {
      title: "Срок скачивания истёк",
      lead: "Фотографии были доступны ограниченное время, и оно прошло.",
      hint: "Спросите у того, кто дал вам ссылку, нельзя ли её продлить.",
    },
    notYet: {
      title: "Пока недоступно",
      lead: "Эти фотографии можно будет скачать позже.",
      hint: "С какого времени, знает тот, кто дал вам ссылку.",
    },
    ownerMustAct: {
      title: "Нужна помощь владельца",
      lead: "Имя файла или права доступа в этой папке не дают серверу её отправить.",
      hint: "Повторять попытку бесполезно. Сообщите тому, кто дал вам ссылку: " +
        "в журнале сервера сказано, что нужно исправить.",
    },
    onlyUnreachable: {
      title: "Архивов пока нет",
      lead: "Сервис работает, но ни у одной папки ещё нет ссылки.",
    },
    owner: {
      question: "Это ваш сервис?",
      answer: "Список архивов виден только в браузере на той машине, где работает сервис. " +
        "Если он работает в контейнере или на сервере без браузера, запустите его с " +
        "`--listing on`, но только там, где эту страницу не откроют посторонние.",
    },
    unreachable: {
      title: "Папки без ссылки",
      lead: "В ссылке могут быть только латинские буквы, цифры, - и _, " +
        "поэтому скачать эти папки нельзя:",
      how:
        "Чтобы папка получила ссылку, выполните на сервере эту команду с тем же `--folder`, что " +
        "и у сервиса. Папка будет переименована: её именем станут 32 случайные буквы и цифры.",
      more: "и ещё {count}",
    },
    problems: {
      empty: "Скачивать нечего: папка пуста, или сервису не разрешено её читать.",
      names: "Скачать нельзя: имена некоторых файлов не в UTF-8. Они названы в журнале.",
      changing: "В папку как раз добавляют файлы. Обновите страницу чуть позже.",
      slow: "Не удалось вовремя получить список файлов. Обновите страницу чуть позже.",
      other: "Не удалось получить список файлов. Причина указана в журнале.",
    },
    paging: {
      label: "Страницы",
      previous: "Назад",
      next: "Вперёд",
      range: "{first}–{last} из {total}",
    },
    errors: {
      400: {
        title: "Непонятный запрос",
        lead: "Сервер не смог разобрать этот запрос.",
        hint: "Проверьте, нет ли в ссылке лишних или пропущенных символов, и откройте её снова.",
      },
      404: {
        title: "Архив не найден",
        lead: "По этому адресу архива нет.",
        hint: "Возможно, в ссылке опечатка или её отозвали. " +
          "Проверьте адрес или попросите новую ссылку у того, кто её дал.",
      },
      405: {
        title: "Только скачивание",
        lead: "По этому адресу архивы можно только скачать, отправить сюда ничего нельзя.",
        hint: "Откройте ссылку в браузере.",
      },
      429: {
        title: "Слишком много сразу",
        lead: "С вашего адреса идёт слишком много скачиваний или запросов.",
        hint: "Дождитесь, пока одно из скачиваний закончится, или попробуйте ещё раз через минуту.",
      },
      500: {
        title: "Что-то пошло не так",
        lead: "Серверу не удалось подготовить ответ.",
        hint: "Попробуйте позже. Если не поможет, сообщите тому, кто дал вам ссылку.",
      },
      502: {
        title: "Временно недоступно",
        lead: "Сервис, который отдаёт фотографии, не отвечает.",
        hint: "Возможно, он перезапускается. Попробуйте ещё раз через минуту. " +
          "Прерванное скачивание можно будет продолжить.",
      },
      503: {
        title: "Сервис занят",
        lead: "Сейчас сервис не может обработать ваш запрос.",
        hint: "Попробуйте ещё раз через минуту.",
      },
      504: {
        title: "Слишком долго",
        lead: "Не удалось вовремя прочитать фотографии.",
        hint: "Попробуйте ещё раз через минуту. " +
          "Если не поможет, сообщите тому, кто дал вам ссылку.",
      },
    },
    files: { one: "файл", few: "файла", many: "файлов", other: "файла" },
    updated: "обновлён",
    byteUnits: ["Б", "кБ", "МБ", "ГБ", "ТБ"],
  },
};

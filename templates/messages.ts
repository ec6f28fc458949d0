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
  /** For an archive that cannot be made until the owner of the photos puts something right. */
  readonly ownerMustAct: PageText;
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
        "the name of your folder becomes part of its link.",
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
    ownerMustAct: {
      title: "These photos need their owner",
      lead: "A name or a permission in this folder keeps the server from sending it.",
      hint: "Trying again will not help. Please tell the person who gave you the link: " +
        "the log of the server says what has to be changed.",
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
        "имя вашей папки станет частью ссылки на неё.",
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
    ownerMustAct: {
      title: "Нужна помощь владельца",
      lead: "Имя файла или права доступа в этой папке не дают серверу её отправить.",
      hint: "Повторять попытку бесполезно. Сообщите тому, кто дал вам ссылку: " +
        "в журнале сервера сказано, что нужно исправить.",
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

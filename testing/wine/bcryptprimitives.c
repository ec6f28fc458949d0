/*
 * What Deno for Windows misses in Wine 8, the one of Debian 12. Beside deno.exe, as
 * bcryptprimitives.dll, it is loaded before anything of Deno runs:
 *
 *   x86_64-w64-mingw32-gcc -O -shared -o bcryptprimitives.dll bcryptprimitives.c -ladvapi32
 *
 * - Rust's standard library takes random bytes from ProcessPrng, in a DLL that came to Wine later.
 * - V8 looks VirtualAlloc2 up and reserves memory with it in a way that Wine 8 does not know. Where it
 *   finds no such function it does what it does on Windows 8.
 *
 * https://learn.microsoft.com/windows/win32/seccng/processprng
 * https://gitlab.winehq.org/wine/wine/-/releases
 */
#include <windows.h>
#include <ntsecapi.h>
#include <string.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
  while (length > 0) {
    ULONG part = length > MAXLONG ? MAXLONG : (ULONG)length;
    if (!RtlGenRandom(data, part)) return FALSE;
    data += part;
    length -= part;
  }
  return TRUE;
}

static FARPROC WINAPI find_older(HMODULE module, LPCSTR name) {
  /* A number in place of a name is no pointer. */
  if (HIWORD((ULONG_PTR)name) | ((ULONG_PTR)name >> 32)) {
    if (strcmp(name, "VirtualAlloc2") == 0) return NULL;
  }
  return GetProcAddress(module, name);
}

/* Lets the program call another function than the one that it was linked with. */
static void replace_import(BYTE *program, const char *name, void *function) {
  IMAGE_NT_HEADERS *headers =
      (IMAGE_NT_HEADERS *)(program + ((IMAGE_DOS_HEADER *)program)->e_lfanew);
  DWORD imports =
      headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;
  IMAGE_IMPORT_DESCRIPTOR *dll = (IMAGE_IMPORT_DESCRIPTOR *)(program + imports);
  for (; dll->Name != 0; dll++) {
    IMAGE_THUNK_DATA *wanted = (IMAGE_THUNK_DATA *)(program + dll->OriginalFirstThunk);
    IMAGE_THUNK_DATA *found = (IMAGE_THUNK_DATA *)(program + dll->FirstThunk);
    for (; wanted->u1.AddressOfData != 0; wanted++, found++) {
      if (IMAGE_SNAP_BY_ORDINAL(wanted->u1.Ordinal)) continue;
      IMAGE_IMPORT_BY_NAME *import =
          (IMAGE_IMPORT_BY_NAME *)(program + wanted->u1.AddressOfData);
      if (strcmp((char *)import->Name, name) != 0) continue;
      DWORD before;
      VirtualProtect(found, sizeof *found, PAGE_READWRITE, &before);
      found->u1.Function = (ULONG_PTR)function;
      VirtualProtect(found, sizeof *found, before, &before);
    }
  }
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved) {
  (void)self;
  (void)reserved;
  if (reason == DLL_PROCESS_ATTACH) {
    replace_import((BYTE *)GetModuleHandleW(NULL), "GetProcAddress", (void *)find_older);
  }
  return TRUE;
}

// What Go programs need of bcryptprimitives.dll, which Wine 8 does not have.
#include <windows.h>
BOOLEAN WINAPI SystemFunction036(PVOID, ULONG); // RtlGenRandom
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }

/*
 * `exporter` and `creator` of a lifecycle: a static program without a C library, for any image on its architecture. It
 * starts the dynamic loader beside it, ld.so, which loads the program `tandem` and all of its libraries from the same
 * directory.
 *
 * Passes the environment on under other names (PATH becomes TANDEM_ENV_PATH), so that the loader, the C library,
 * Node.js, V8 and OpenSSL ignore variables that the platform or a user set for other programs. src/executable/binary.ts
 * restores the names. TANDEM_IGNORED_SIGNALS has the ignored signals and TANDEM_OPEN_FILES the soft limit of open
 * files, because Node.js changes both before any script runs.
 *
 * As process 1 of a container it runs all of this in a child: init().
 */

#if defined(__x86_64__)
enum { SYS_write = 1, SYS_mmap = 9, SYS_rt_sigaction = 13, SYS_rt_sigprocmask = 14, SYS_getpid = 39, SYS_clone = 56, SYS_execve = 59 };
enum { SYS_exit = 60, SYS_wait4 = 61, SYS_kill = 62, SYS_rt_sigtimedwait = 128, SYS_readlinkat = 267, SYS_prlimit64 = 302 };

__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n");

static long system_call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { SYS_write = 64, SYS_readlinkat = 78, SYS_exit = 93, SYS_kill = 129, SYS_rt_sigaction = 134, SYS_rt_sigprocmask = 135 };
enum { SYS_rt_sigtimedwait = 137, SYS_getpid = 172, SYS_clone = 220, SYS_execve = 221, SYS_mmap = 222, SYS_wait4 = 260, SYS_prlimit64 = 261 };

__asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n and sp, x0, #-16\n b start\n");

static long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "no such architecture"
#endif

enum { SYS_clone3 = 435 }; /* on all architectures */
enum { AT_NULL = 0, AT_EXECFN = 31, AT_FDCWD = -100 };
enum { PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22 };
enum { SIGNALS = 64, SIGNAL_SET_SIZE = 8, SIG_IGN = 1, SIG_BLOCK = 0, SIG_SETMASK = 2 };
enum { SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGABRT = 6, SIGTERM = 15, SIGCHLD = 17 };
enum { SIGINFO_SIZE = 128, SI_CODE = 2, SI_KERNEL = 128 };
enum { WNOHANG = 1, BY_SIGNAL = 128 };
enum { EPERM = 1, ENOENT = 2, EIO = 5, E2BIG = 7, ENOEXEC = 8, EAGAIN = 11, ENOMEM = 12, EACCES = 13, ETXTBSY = 26 };
enum { ENAMETOOLONG = 36 };
enum { RLIMIT_NOFILE = 7, DIGITS = 20 };
enum { PATH_LIMIT = 4096 };
/* Room for "ld.so" or "tandem" after a directory. */
enum { FILE_NAME = 8 };
/* A shell's exit code for a program that it cannot execute. */
enum { CANNOT_EXECUTE = 126 };
/* Exit code of bin/exporter for a limit that is too low. */
enum { LOW_LIMIT = 1 };

static long length(const char *text) {
  long n = 0;
  while (text[n]) n++;
  return n;
}

static const char *last_slash(const char *path) {
  const char *last = 0;
  for (; *path; path++)
    if (*path == '/') last = path;
  return last;
}

_Noreturn static void exit_with(int exit_code) {
  system_call(SYS_exit, exit_code, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}

/* Writes texts, up to a null pointer, to stderr, and ends. */
_Noreturn static void die(int exit_code, const char *const *texts) {
  for (; *texts; texts++) system_call(SYS_write, 2, (long)*texts, length(*texts), 0, 0, 0);
  exit_with(exit_code);
}

/* Appends a text to a buffer. @returns the new end of the buffer, where a zero is */
static char *append(char *end, const char *text) {
  while ((*end = *text++)) end++;
  return end;
}

/* Writes a number in decimal. @param text has room for DIGITS and a zero */
static const char *decimal(unsigned long number, char *text) {
  char *first = text + DIGITS;
  *first = 0;
  do *--first = '0' + number % 10;
  while (number /= 10);
  return first;
}

static const char *reason(long error) {
  switch (error) {
    case EPERM: return "operation not permitted";
    case ENOENT: return "no such file or directory";
    case EIO: return "input/output error";
    case E2BIG: return "argument list too long";
    case ENOEXEC: return "exec format error";
    case EAGAIN: return "resource temporarily unavailable";
    case ENOMEM: return "cannot allocate memory";
    case EACCES: return "permission denied";
    case ETXTBSY: return "text file busy";
    case ENAMETOOLONG: return "file name too long";
    default: return 0;
  }
}

static const char *advice(long error) {
  if (error == ENOENT) return "\nexporter must stay in its directory, beside ld.so and tandem: make a link to it instead of a copy";
  if (error == E2BIG) return "\nShorten the environment: the program adds 11 bytes to each variable, and the system allows 128 KiB for one";
  return "";
}

_Noreturn static void fail(const char *what, const char *name, long error) {
  char digits[DIGITS + 1];
  const char *words = reason(error);
  const char *number = words ? words : decimal(error, digits);
  die(CANNOT_EXECUTE, (const char *[]){"ERROR: failed to ", what, " ", name, words ? ": " : ": system error ", number,
                                       advice(error), "\n", 0});
}

/* Zeroed memory, which is never freed: execve() follows. */
static void *allocate(long size) {
  long result = system_call(SYS_mmap, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (result < 0 && result > -4096) fail("allocate", "memory", -result);
  return (void *)result;
}

/* Appends the ignored signals in hexadecimal, like SigIgn of proc(5), but without /proc. */
static void append_ignored_signals(char *end) {
  unsigned long mask = 0;
  for (int signal = SIGNALS; signal >= 1; signal--) {
    long action[4 + SIGNALS / 8] = {0};
    system_call(SYS_rt_sigaction, signal, 0, (long)action, SIGNAL_SET_SIZE, 0, 0);
    mask = mask << 1 | (action[0] == SIG_IGN);
  }
  while (*end) end++;
  for (int shift = 60; shift >= 0; shift -= 4) *end++ = "0123456789abcdef"[mask >> shift & 15];
}

/* Appends the soft limit of open files, in decimal, if it is lower than the hard one. */
static void append_open_files(char *end) {
  unsigned long limits[2] = {0};
  if (system_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)limits, 0, 0) < 0 || limits[0] >= limits[1]) return;
  char digits[DIGITS + 1];
  while (*end) end++;
  append(end, decimal(limits[0], digits));
}

/*
 * Writes the directory of this program, with a slash. Without /proc it is the directory of the executed path, which is
 * wrong for a link from another directory.
 */
static void find_directory(char *directory, const char *executed) {
  long size = system_call(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)directory, PATH_LIMIT - 1, 0, 0);
  if (size > 0) {
    directory[size] = 0;
  } else {
    if (length(executed) > PATH_LIMIT - 3) fail("find", executed, ENAMETOOLONG);
    append(append(directory, last_slash(executed) ? "" : "./"), executed);
  }
  *(char *)(last_slash(directory) + 1) = 0;
}

/* Limits by the option of ulimit that shows them: H for the hard one, S for the soft one. */
enum { RLIMIT_Sd = 2, RLIMIT_Ss = 3, RLIMIT_Hn = RLIMIT_NOFILE, RLIMIT_Sv = 9 };

static void require(const char *option, int resource, unsigned long least, const char *needed, const char *unit) {
  unsigned long limits[2];
  if (system_call(SYS_prlimit64, 0, resource, 0, (long)limits, 0, 0) < 0) return;
  unsigned long limit = resource == RLIMIT_Hn ? limits[1] : limits[0] / 1024;
  if (limit >= least) return;
  char digits[DIGITS + 1];
  const char *number = decimal(limit, digits);
  die(LOW_LIMIT, (const char *[]){"ERROR: this process may have ", number, " ", unit, ", and the export needs ", needed,
                                  ": raise the limit (ulimit -", option + 1, ")\n", 0});
}

/* scripts/binary/build-launcher.ts defines LIMITS from the `require` lines of bin/runtime.sh. */
#define REQUIRE(option, least, needed, unit) require(#option, RLIMIT_##option, least, #needed, unit);

/*
 * The C library starts threads with clone3(2), and falls back to clone(2) only for ENOSYS: Node.js would abort where a
 * seccomp profile answers EPERM. Without arguments, clone3 starts nothing.
 */
static void require_threads(void) {
  if (system_call(SYS_clone3, 0, 0, 0, 0, 0, 0) != -EPERM) return;
  die(CANNOT_EXECUTE, (const char *[]){"ERROR: failed to start threads: the seccomp profile of the container refuses clone3\n"
                                       "Update the container runtime (Docker to 20.10.10 or newer) or the profile\n", 0});
}

/*
 * The kernel drops signals that process 1 of a container does not handle, and Node.js handles them only once it has
 * started. So process 1 blocks them, which keeps them pending, and forwards them to a child, in which this function
 * returns. Process 1 ends with the child's exit code, or like a shell if a signal ended the child, and reaps orphans.
 */
static void init(void) {
  unsigned long passed = 1UL << (SIGHUP - 1) | 1UL << (SIGINT - 1) | 1UL << (SIGQUIT - 1) | 1UL << (SIGABRT - 1) |
                         1UL << (SIGTERM - 1);
  unsigned long awaited = passed | 1UL << (SIGCHLD - 1), before;
  system_call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&awaited, (long)&before, SIGNAL_SET_SIZE, 0, 0);
  /* If SIGCHLD were ignored, the kernel would reap the child, and forget its exit code. */
  long action[4 + SIGNALS / 8] = {0};
  system_call(SYS_rt_sigaction, SIGCHLD, (long)action, 0, SIGNAL_SET_SIZE, 0, 0);
  long child = system_call(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
  if (child < 0) fail("start", "a process", -child);
  if (child == 0) {
    system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, SIGNAL_SET_SIZE, 0, 0);
    return;
  }
  for (;;) {
    int information[SIGINFO_SIZE / sizeof(int)];
    long signal = system_call(SYS_rt_sigtimedwait, (long)&awaited, (long)information, 0, SIGNAL_SET_SIZE, 0, 0);
    /* A terminal's keys also reach the child, and a second signal would cut its cleanup short. */
    int is_key = (signal == SIGINT || signal == SIGQUIT) && information[SI_CODE] == SI_KERNEL;
    if (signal > 0 && signal != SIGCHLD && !is_key) system_call(SYS_kill, child, signal, 0, 0, 0, 0);
    int status;
    for (long ended; (ended = system_call(SYS_wait4, -1, (long)&status, WNOHANG, 0, 0, 0)) > 0;)
      if (ended == child) exit_with(status & 127 ? BY_SIGNAL + (status & 127) : status >> 8 & 255);
  }
}

/* @param stack as the kernel sets it up: argc, the arguments, 0, the environment, 0, the auxiliary vector */
_Noreturn __attribute__((used)) void start(long *stack) {
  if (system_call(SYS_getpid, 0, 0, 0, 0, 0, 0) == 1) init();
  LIMITS
  require_threads();
  long argc = stack[0];
  char **argv = (char **)(stack + 1);
  char **environment = argv + argc + 1;
  long variables = 0, text_size = 0;
  for (; environment[variables]; variables++) text_size += length(environment[variables]);
  const char *executed = argv[0];
  for (long *auxiliary = (long *)(environment + variables + 1); auxiliary[0] != AT_NULL; auxiliary += 2)
    if (auxiliary[0] == AT_EXECFN) executed = (const char *)auxiliary[1];
  const char *name = argc > 0 ? argv[0] : "exporter";

  char *directory = allocate(4 * PATH_LIMIT + 2 * FILE_NAME + length(name) + 1);
  find_directory(directory, executed);
  char *loader = directory + PATH_LIMIT;
  char *program = loader + PATH_LIMIT + FILE_NAME, *called = program + PATH_LIMIT + FILE_NAME;
  append(append(loader, directory), "ld.so");
  append(append(program, directory), "tandem");
  /* A name without a slash was found on the PATH. */
  append(append(called, last_slash(name) ? "" : directory), name);

  const char *options[] = {called, "--inhibit-cache", "--library-path", directory, "--argv0", called, program};
  long count = sizeof options / sizeof *options;
  const char **arguments = allocate((count + argc + 1) * sizeof *arguments);
  for (long i = 0; i < count; i++) arguments[i] = options[i];
  for (long i = 1; i < argc; i++) arguments[count + i - 1] = argv[i];

  static const char prefix[] = "TANDEM_ENV_";
  static const char ignored[] = "TANDEM_IGNORED_SIGNALS=", open_files[] = "TANDEM_OPEN_FILES=";
  char **renamed = allocate((variables + 3) * sizeof *renamed);
  char *text = allocate(text_size + variables * sizeof prefix + sizeof ignored + SIGNALS / 4 + sizeof open_files + DIGITS);
  for (long i = 0; i < variables; i++) {
    renamed[i] = text;
    text = append(append(text, prefix), environment[i]) + 1;
  }
  append(text, ignored);
  append_ignored_signals(text);
  renamed[variables] = text;
  text += length(text) + 1;
  append(text, open_files);
  append_open_files(text);
  renamed[variables + 1] = text;
  fail("execute", loader, -system_call(SYS_execve, (long)loader, (long)arguments, (long)renamed, 0, 0, 0));
}

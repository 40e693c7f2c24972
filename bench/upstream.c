/* An upstream that is never the bottleneck: one epoll loop, answers encoded before.
 *
 *   upstream [CERTIFICATE KEY]
 *
 * Prints its port and serves until its input ends; with a certificate it speaks TLS.
 * A request's model says what comes: "burst:COUNT" as fast as the socket takes it,
 * "paced:RATE:COUNT" at RATE events a second. The text of an event is the time it was
 * written, in nanoseconds of CLOCK_MONOTONIC, 16 digits and a space. "steady:RATE:COUNT"
 * is paced too, and says when the event was due: an upstream that is late itself is no
 * excuse there, and cannot make a client look good by writing two events at once.
 * "calls:COUNT" first calls the tool `multiply`, and answers a request that has its result
 * as a burst.
 *
 * Compile: cc -O2 upstream.c  (with -DTLS -lssl -lcrypto for TLS)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/ssl.h>
#else
typedef void SSL;
#endif

#define MAX_FD 8192
#define NEVER LLONG_MAX
#define BATCH 64
#define EVENT(choice) \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
    "\"model\":\"bench\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"," \
    "\"choices\":[" choice "]"
#define TEXT \
    EVENT("{\"index\":0,\"delta\":{\"content\":\"0000000000000000 \"},\"logprobs\":null," \
          "\"finish_reason\":null}") "}\n\n"
#define STOP \
    EVENT("{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}") "}\n\n"
#define USAGE \
    EVENT("") ",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9,\"total_tokens\":18}}\n\n"
#define CALL \
    EVENT("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{" \
          "\"index\":0,\"id\":\"call_bench\",\"type\":\"function\",\"function\":{" \
          "\"name\":\"multiply\",\"arguments\":\"{\\\"a\\\": 6, \\\"b\\\": 7}\"}}]}," \
          "\"logprobs\":null,\"finish_reason\":null}") "}\n\n"
#define CALLED \
    EVENT("{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}") "}\n\n"
#define DONE "data: [DONE]\n\n"

struct connection {
    SSL *tls;
    char in[1 << 20];
    size_t got;
    const char *out; /* what the socket has not taken yet */
    size_t left;
    char piece[BATCH * 512];
    char head[256];
    long count;  /* events still to be written */
    long long due, gap; /* nanoseconds; gap 0 is a burst */
    int answering, ending, waits, says_due, calls;
};

static struct connection *connections[MAX_FD];
/* When a paced answer goes on. Apart from the connections, which are a megabyte each: looking at
 * all of them for every event is most of the work with a thousand streams. */
static long long wake[MAX_FD];
static int highest;
static char event[512], ending[2048], calling[2048];
static size_t event_size, stamp_at;
static int epoll;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static size_t chunk(char *to, const char *data) {
    return sprintf(to, "%zx\r\n%s\r\n", strlen(data), data);
}

static void encode(void) {
    size_t used = 0;
    event_size = chunk(event, TEXT);
    stamp_at = strstr(event, "0000000000000000") - event;
    used += chunk(ending + used, STOP);
    used += chunk(ending + used, USAGE);
    used += chunk(ending + used, DONE);
    strcpy(ending + used, "0\r\n\r\n");
    used = chunk(calling, CALL);
    used += chunk(calling + used, CALLED);
    used += chunk(calling + used, USAGE);
    used += chunk(calling + used, DONE);
    strcpy(calling + used, "0\r\n\r\n");
}

static void hang_up(int fd) {
#ifdef TLS
    if (connections[fd]->tls) SSL_free(connections[fd]->tls);
#endif
    free(connections[fd]);
    connections[fd] = NULL;
    wake[fd] = NEVER;
    close(fd);
}

static ssize_t put(int fd, const char *data, size_t size) {
#ifdef TLS
    SSL *tls = connections[fd]->tls;
    if (tls) {
        int wrote = SSL_write(tls, data, (int)size);
        if (wrote > 0) return wrote;
        errno = SSL_get_error(tls, wrote) == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
        return -1;
    }
#endif
    return send(fd, data, size, MSG_NOSIGNAL);
}

static ssize_t take(int fd, char *data, size_t size) {
#ifdef TLS
    SSL *tls = connections[fd]->tls;
    if (tls) {
        int got = SSL_read(tls, data, (int)size);
        if (got > 0) return got;
        errno = SSL_get_error(tls, got) == SSL_ERROR_WANT_READ ? EAGAIN : EPIPE;
        return errno == EAGAIN ? -1 : 0;
    }
#endif
    return recv(fd, data, size, 0);
}

static void watch(int fd, int write) {
    struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.fd = fd};
    if (connections[fd]->waits == write) return;
    connections[fd]->waits = write;
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e);
}

/* Write the next events into the buffer; of a paced answer, one. */
static void refill(struct connection *c) {
    long many = c->gap ? 1 : BATCH;
    char stamp[32];
    if (!c->count) {
        c->out = c->calls ? calling : ending;
        c->left = strlen(c->out);
        c->ending = 1;
        return;
    }
    if (many > c->count) many = c->count;
    sprintf(stamp, "%016lld", c->says_due ? c->due - c->gap : now());
    for (long n = 0; n < many; n++) {
        memcpy(c->piece + n * event_size, event, event_size);
        memcpy(c->piece + n * event_size + stamp_at, stamp, 16);
    }
    c->count -= many;
    c->out = c->piece;
    c->left = many * event_size;
}

static void go_on(int fd) {
    struct connection *c = connections[fd];
    wake[fd] = NEVER;
    while (c->answering) {
        if (!c->left) {
            if (c->ending) {
                c->answering = c->ending = 0;
                break;
            }
            if (c->gap && now() < c->due) {
                wake[fd] = c->due;
                break;
            }
            c->due += c->gap;
            refill(c);
        }
        ssize_t wrote = put(fd, c->out, c->left);
        if (wrote < 0 && errno == EAGAIN) {
            watch(fd, 1);
            return;
        }
        if (wrote < 0) {
            hang_up(fd);
            return;
        }
        c->out += wrote;
        c->left -= wrote;
    }
    watch(fd, 0);
}

static void answer(struct connection *c, const char *body) {
    const char *said = strstr(body, "\"paced:");
    long rate = 0;
    c->count = 1;
    if (said) sscanf(said, "\"paced:%ld:%ld", &rate, &c->count);
    else if ((said = strstr(body, "\"steady:"))) sscanf(said, "\"steady:%ld:%ld", &rate, &c->count);
    else if ((said = strstr(body, "\"burst:"))) sscanf(said, "\"burst:%ld", &c->count);
    else if ((said = strstr(body, "\"calls:"))) sscanf(said, "\"calls:%ld", &c->count);
    c->calls = strstr(body, "\"calls:") && !strstr(body, "\"tool_call_id\"");
    if (c->calls) c->count = 0;
    c->says_due = strstr(body, "\"steady:") != NULL;
    c->gap = rate ? 1000000000LL / rate : 0;
    /* Streams do not begin in step: each has a phase of its own. */
    c->due = now() + (rate ? rand() % c->gap : 0);
    c->out = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
             "transfer-encoding: chunked\r\n\r\n";
    c->left = strlen(c->out);
    c->answering = 1;
}

static void hear(int fd) {
    struct connection *c = connections[fd];
    for (;;) {
        ssize_t got = take(fd, c->in + c->got, sizeof c->in - 1 - c->got);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            hang_up(fd);
            return;
        }
        c->got += got;
        c->in[c->got] = 0;
        char *body = strstr(c->in, "\r\n\r\n");
        if (!body) continue;
        body += 4;
        char *length = strcasestr(c->in, "content-length:");
        size_t needed = length ? strtoul(length + 15, NULL, 10) : 0;
        if (c->in + c->got < body + needed) continue;
        c->got = 0;
        answer(c, body);
        go_on(fd);
        return;
    }
}

static void welcome(int listener, void *context) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || fd >= MAX_FD) return;
    connections[fd] = calloc(1, sizeof **connections);
    wake[fd] = NEVER;
    if (fd > highest) highest = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
#ifdef TLS
    if (context) {
        SSL *tls = connections[fd]->tls = SSL_new(context);
        SSL_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_set_fd(tls, fd);
        if (SSL_accept(tls) != 1) {
            hang_up(fd);
            return;
        }
    }
#endif
    (void)context;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

/* Write what is due; return the nanoseconds until something else is. */
static long long pace(void) {
    long long begun = now(), next = begun + 1000000000LL;
    for (int fd = 0; fd <= highest; fd++) {
        if (wake[fd] <= begun) go_on(fd);
        if (wake[fd] < next) next = wake[fd];
    }
    long long left = next - now();
    return left > 0 ? left : 0;
}

static void *secure(int argc, char **argv) {
#ifdef TLS
    if (argc == 3) {
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        SSL_CTX_use_certificate_chain_file(context, argv[1]);
        SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM);
        return context;
    }
#endif
    (void)argc, (void)argv;
    return NULL;
}

int main(int argc, char **argv) {
    void *context = secure(argc, argv);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024)) return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    signal(SIGPIPE, SIG_IGN);
    encode();
    for (int fd = 0; fd < MAX_FD; fd++) wake[fd] = NEVER;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    e.data.fd = 0;
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &e);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        long long left = pace();
        struct timespec wait = {left / 1000000000LL, left % 1000000000LL};
        struct pollfd ready = {.fd = epoll, .events = POLLIN};
        ppoll(&ready, 1, &wait, NULL);
        int many = epoll_wait(epoll, events, 256, 0);
        for (int n = 0; n < many; n++) {
            int fd = events[n].data.fd;
            if (fd == 0) return 0;
            if (fd == listener) welcome(listener, context);
            else {
                if (events[n].events & EPOLLOUT) go_on(fd);
                if (connections[fd] && events[n].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(fd);
            }
        }
    }
}

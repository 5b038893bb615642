/* A Modbus master for measuring: sequential requests on each of T connections, each thread blocking on its own socket.
 *   load SOURCE HOST PORT read|write ROUNDS THREADS        prints "p50 p99 mean requests/s refused", the first three in us
 * read: FC 3, 10 holding registers. write: FC 16, one register with a new value each time.
 * press: as read, for ROUNDS milliseconds on one connection, from the second THREADS of the wall clock on, so that several begin
 *   together, with AHEAD requests under way; prints the number of requests and of refusals.
 *   cc -O2 load.c -o load -lpthread */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 50
#define MAX_THREADS 64
#define AHEAD 4

static struct sockaddr_in from, to;
static int rounds, writing;
static long pressed, second;
static long refused;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void ask(int fd, unsigned n, unsigned thread)
{
    unsigned char out[15] = {n >> 8, n, 0, 0, 0, 6, 1, 3, 0, n % 90, 0, 10}, in[64];
    int size = 12, want = 9 + 20;
    if (writing) {
        unsigned value = (n * 31 + thread) & 0xffff;
        unsigned char frame[15] = {n >> 8, n, 0, 0, 0, 9, 1, 16, 0, 100 + thread, 0, 1, 2, value >> 8, value};
        memcpy(out, frame, size = 15);
        want = 12;
    }
    if (send(fd, out, size, MSG_NOSIGNAL) != size) {
        perror("load: send");
        exit(1);
    }
    int have = 0;
    while (have < want) {
        ssize_t got = recv(fd, in + have, sizeof in - have, 0);
        if (got <= 0) {
            fprintf(stderr, "load: the connection was closed\n");
            exit(1);
        }
        have += got;
        if (have >= 9 && in[7] & 0x80) {
            __sync_fetch_and_add(&refused, 1);
            return;
        }
    }
}

struct client {
    unsigned number;
    double *took;
};

static void *client(void *argument)
{
    struct client *me = argument;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) || connect(fd, (struct sockaddr *)&to, sizeof to)) {
        perror("load: connect");
        exit(1);
    }
    for (int i = 0; i < WARM_UP; i++)
        ask(fd, i, me->number);
    for (int i = 0; i < rounds; i++) {
        double start = now_us();
        ask(fd, WARM_UP + i, me->number);
        me->took[i] = now_us() - start;
    }
    close(fd);
    return NULL;
}

static void *press(void *unused)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) || connect(fd, (struct sockaddr *)&to, sizeof to)) {
        perror("load: connect");
        exit(1);
    }
    for (int i = 0; i < WARM_UP; i++)
        ask(fd, i, 0);
    struct timespec begin = {.tv_sec = second};
    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &begin, NULL);
    long sent = 0;
    for (double end = now_us() + rounds * 1e3; now_us() < end; pressed++) {
        for (; sent < pressed + AHEAD; sent++) {
            unsigned char out[12] = {sent >> 8, sent, 0, 0, 0, 6, 1, 3, 0, sent % 90, 0, 10};
            if (send(fd, out, sizeof out, MSG_NOSIGNAL) != sizeof out)
                exit(1);
        }
        unsigned char in[29];
        if (recv(fd, in, 9, MSG_WAITALL) != 9)
            exit(1);
        if (in[7] & 0x80)
            refused++;
        else if (recv(fd, in + 9, 20, MSG_WAITALL) != 20)
            exit(1);
    }
    close(fd);
    return unused;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 64;
    from.sin_family = to.sin_family = AF_INET;
    inet_pton(AF_INET, argv[1], &from.sin_addr);
    inet_pton(AF_INET, argv[2], &to.sin_addr);
    to.sin_port = htons(atoi(argv[3]));
    writing = !strcmp(argv[4], "write");
    rounds = atoi(argv[5]);
    int threads = atoi(argv[6]);
    second = atol(argv[6]);
    if (!strcmp(argv[4], "press")) {
        press(NULL);
        printf("%ld %ld\n", pressed, refused);
        return 0;
    }
    if (rounds < 1 || threads < 1 || threads > MAX_THREADS)
        return 64;
    long total = (long)rounds * threads;
    double *took = calloc(total, sizeof *took), sum = 0, start = now_us();
    pthread_t id[MAX_THREADS];
    struct client clients[MAX_THREADS];
    for (int i = 0; i < threads; i++) {
        clients[i] = (struct client){i, took + (long)i * rounds};
        pthread_create(&id[i], NULL, client, &clients[i]);
    }
    for (int i = 0; i < threads; i++)
        pthread_join(id[i], NULL);
    double elapsed = now_us() - start;
    qsort(took, total, sizeof *took, by_value);
    for (long i = 0; i < total; i++)
        sum += took[i];
    printf("%.2f %.2f %.2f %.0f %ld\n", took[total / 2], took[(long)(total * .99)], sum / total,
           (total + threads * WARM_UP) / elapsed * 1e6, refused);
    return 0;
}

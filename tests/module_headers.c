/*
 * What the macros and inline functions of modules/include do, checked on the host: check() returns the line of the first
 * wrong one, or 0. The kernel's side (wait queues, the list checks) is played by the stubs at the top, which keep a diary.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/ioctl.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define CHECK(condition) do { if (!(condition)) return __LINE__; } while (0)

static char diary[64];
static int written;
static long interrupt_with;
static long sleep_leaves;
static int turns_true_after;

static void note(char what)
{
	diary[written++ % sizeof(diary)] = what;
}

static bool diary_is(const char *expected)
{
	int i;

	for (i = 0; expected[i]; i++)
		if (i >= written || diary[i] != expected[i])
			return false;
	return i == written;
}

static bool condition(void)
{
	note('?');
	return turns_true_after-- <= 0;
}

bool __list_add_valid(struct list_head *entry, struct list_head *prev, struct list_head *next)
{
	return prev->next == next && next->prev == prev && entry != prev && entry != next;
}

bool __list_del_entry_valid(struct list_head *entry)
{
	return entry->next != (struct list_head *)LIST_POISON1 && entry->prev->next == entry;
}

void init_wait_entry(struct wait_queue_entry *entry, int flags)
{
	entry->flags = flags;
	note(flags & WQ_FLAG_EXCLUSIVE ? 'X' : 'I');
}

long prepare_to_wait_event(struct wait_queue_head *head, struct wait_queue_entry *entry, int state)
{
	note('P');
	return state == TASK_INTERRUPTIBLE ? interrupt_with : 0;
}

void finish_wait(struct wait_queue_head *head, struct wait_queue_entry *entry)
{
	note('F');
}

void schedule(void)
{
	note('S');
}

long schedule_timeout(long ticks)
{
	note('T');
	return sleep_leaves;
}

struct item {
	int number;
	struct list_head link;
	struct hlist_node hash;
};

static int check_lists(void)
{
	struct item items[4] = { { .number = 1 }, { .number = 2 }, { .number = 3 }, { .number = 4 } };
	struct item *item, *ahead;
	LIST_HEAD(list);
	HLIST_HEAD(bucket);
	int i, sum = 0;

	CHECK(list_empty(&list) && !list_first_entry_or_null(&list, struct item, link));
	for (i = 0; i < 3; i++)
		list_add_tail(&items[i].link, &list);
	list_add(&items[3].link, &list);
	list_for_each_entry(item, &list, link)
		sum = 10 * sum + item->number;
	CHECK(sum == 4123);
	list_move_tail(&items[3].link, &list);
	sum = 0;
	list_for_each_entry_reverse(item, &list, link)
		sum = 10 * sum + item->number;
	CHECK(sum == 4321);
	list_for_each_entry_safe(item, ahead, &list, link)
		if (item->number % 2)
			list_del(&item->link);
	CHECK(items[0].link.next == (void *)LIST_POISON1 && items[0].link.prev == (void *)LIST_POISON2);
	CHECK(list_first_entry(&list, struct item, link)->number == 2);
	CHECK(list_is_last(&items[3].link, &list) && !list_is_singular(&list));
	list_del(&items[0].link);
	CHECK(list_last_entry(&list, struct item, link)->number == 4);
	list_del_init(&items[1].link);
	CHECK(list_empty(&items[1].link) && list_is_singular(&list));

	hlist_add_head(&items[0].hash, &bucket);
	hlist_add_head(&items[1].hash, &bucket);
	hlist_del_init(&items[0].hash);
	sum = 0;
	hlist_for_each_entry(item, &bucket, hash)
		sum += item->number;
	CHECK(sum == 2 && !hlist_empty(&bucket));
	return 0;
}

static int check_waits(void)
{
	DECLARE_WAIT_QUEUE_HEAD(queue);

	turns_true_after = 0, written = 0;
	wait_event(queue, condition());
	CHECK(diary_is("?"));
	turns_true_after = 2, written = 0;
	wait_event(queue, condition());
	CHECK(diary_is("?IP?SP?F"));
	turns_true_after = 1, written = 0;
	CHECK(wait_event_interruptible_exclusive(queue, condition()) == 0 && diary_is("?XP?F"));

	interrupt_with = -ERESTARTSYS;
	turns_true_after = 9, written = 0;
	CHECK(wait_event_interruptible(queue, condition()) == -ERESTARTSYS && diary_is("?IP?F"));
	turns_true_after = 1, written = 0;
	CHECK(wait_event_interruptible(queue, condition()) == 0);
	interrupt_with = 0;

	sleep_leaves = 0, turns_true_after = 9, written = 0;
	CHECK(wait_event_timeout(queue, condition(), 5) == 0 && diary_is("IP?TP?F"));
	sleep_leaves = 0, turns_true_after = 1, written = 0;
	CHECK(wait_event_timeout(queue, condition(), 5) == 1);
	sleep_leaves = 3, turns_true_after = 1, written = 0;
	CHECK(wait_event_interruptible_timeout(queue, condition(), 5) == 3);
	interrupt_with = -ERESTARTSYS, turns_true_after = 9;
	CHECK(wait_event_interruptible_timeout(queue, condition(), 5) == -ERESTARTSYS);
	interrupt_with = 0;
	return 0;
}

static int released;

static void release(struct kref *kref)
{
	released++;
}

static void nothing(struct work_struct *work)
{
}

static int check_values(void)
{
	DECLARE_WORK(work, nothing);
	atomic_t counter = ATOMIC_INIT(5);
	struct kref kref;
	int a = 1, b = 2;

	CHECK(min(3, 4) == 3 && max(3, 4) == 4 && clamp(9, 1, 5) == 5 && clamp(-9, 1, 5) == 1 && abs(-7) == 7);
	CHECK(min_t(unsigned int, -1, 5) == 5 && DIV_ROUND_UP(7, 3) == 3);
	CHECK(round_up(13, 8) == 16 && round_up(16, 8) == 16 && round_down(13, 8) == 8 && ARRAY_SIZE(diary) == 64);
	swap(a, b);
	CHECK(a == 2 && b == 1);
	CHECK(IS_ERR(ERR_PTR(-EINVAL)) && PTR_ERR(ERR_PTR(-EINVAL)) == -EINVAL && !IS_ERR(&a) && IS_ERR_OR_NULL(NULL));
	CHECK(_IO('c', 3) == 0x6303 && _IOR('c', 1, unsigned int) == 0x80046301);
	CHECK(_IOW('c', 2, unsigned int) == 0x40046302 && _IOWR('c', 4, unsigned char) == 0xc0016304);
	CHECK(time_after(5UL, ~0UL - 5) && time_before(~0UL, 0UL) && time_after_eq(7UL, 7UL) && !time_after(7UL, 7UL));
	CHECK(atomic_inc_return(&counter) == 6 && atomic_xchg(&counter, 1) == 6 && atomic_dec_and_test(&counter));
	CHECK(atomic_cmpxchg(&counter, 0, 9) == 0 && atomic_cmpxchg(&counter, 0, 3) == 9 && atomic_read(&counter) == 9);
	kref_init(&kref);
	kref_get(&kref);
	CHECK(!kref_put(&kref, release) && kref_put(&kref, release) && released == 1);
	CHECK(work.data.counter == WORK_STRUCT_NO_POOL && !work_pending(&work) && list_empty(&work.entry));
	return 0;
}

int check(void)
{
	int wrong = check_values();

	if (!wrong)
		wrong = check_lists();
	return wrong ? wrong : check_waits();
}

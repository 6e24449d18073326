model0 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model1 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model2 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model3 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model4 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model5 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model6 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model7 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model8 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model9 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model10 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model11 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model12 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model13 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model14 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model15 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model16 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model17 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model18 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model19 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model20 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model21 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model22 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model23 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model24 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model25 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model26 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model27 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model28 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model29 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model30 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model31 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model32 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model33 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model34 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model35 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model36 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model37 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model38 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model39 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model40 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model41 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model42 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model43 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model44 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model45 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model46 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model47 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model48 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model49 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model50 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model51 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model52 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model53 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model54 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model55 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model56 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model57 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model58 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))
model59 = dict(type='R', backbone=dict(depth=50, out=(0,1,2,3), norm={'type':'BN','requires_grad':True}), neck=dict(a=[256,512,1024], b=dict(c=1,d=2)),
   head=dict(x=1,y=[dict(type='a',p=0.5),dict(type='b')]))